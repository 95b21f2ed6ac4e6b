"""Reports of progress."""

from unlearn.core.progress import Progress


def report(capsys, steps, advances):
    """What a piece of work prints at its last step."""
    progress = Progress("job: ", interval=0)
    progress.begin(steps, "training")
    for _ in range(advances):
        progress.advance(32)
    return capsys.readouterr().err.splitlines()[-1]


def test_work_of_known_length_tells_its_share_and_end(capsys):
    line = report(capsys, 8, 4)
    assert line.startswith("job: training: step 4 of 8 (50%), ")
    assert "images/s, ends at " in line


def test_work_of_unknown_length_tells_no_share_and_no_end(capsys):
    line = report(capsys, None, 357)
    assert line.startswith("job: training: step 357, ")
    assert line.endswith("images/s")


def test_work_that_takes_longer_than_said_ends_in_no_negative_time(capsys):
    assert "(in 0 s)" in report(capsys, 2, 5)


def test_every_piece_of_work_counts_from_one(capsys):
    progress = Progress(interval=0)
    progress.begin(3, "training")
    progress.advance(32)
    progress.begin(activity="unlearning")
    progress.advance(32)
    assert "unlearning: step 1, " in capsys.readouterr().err.splitlines()[-1]
