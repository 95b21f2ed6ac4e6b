"""Data sets whose images carry noise: shares, refusals, a study of them, examples."""

import itertools
import json

import numpy as np
import pytest
import torch

from tests.support.jobs import build, raw_data
from tests.support.noise import noise_of
from tests.support.noised import config
from unlearn.data.splits import stratified_share
from unlearn.perturbations.noisy_images import with_noise
from unlearn.storage import records
from unlearn.storage.files import ArtifactError
from unlearn.study.load import StudyError, load_study

torch.set_num_threads(1)


def test_shares_are_nested_and_of_every_class_alike(digits):
    values, record = noise_of(digits, "random_noise")
    sets = []
    for share in (0, 0.25, 0.5, 1):
        data = with_noise(digits, values, record | {"share": share, "seed": 4})
        sets.append(data.noised_ids)
        changed = (data.train_images != digits.train_images).any((1, 2, 3))
        assert np.array_equal(np.flatnonzero(changed), data.noised_ids)
        difference = data.train_images.astype(int) - digits.train_images
        assert np.array_equal(difference[data.noised_ids], values[data.noised_ids])
        assert np.array_equal(data.test_images, digits.test_images)
        assert (data.description["sha256"] == digits.description["sha256"]) is (share == 0)
    assert not len(sets[0]) and np.array_equal(sets[-1], digits.base_ids)
    for small, large in itertools.pairwise(sets):
        assert np.isin(small, large).all()
    counts = np.bincount(digits.train_labels[sets[2]], minlength=10)
    assert (abs(counts - np.bincount(digits.train_labels[digits.base_ids]) / 2) <= 0.5).all()


def test_a_share_between_none_and_all_leaves_both_kinds_in_every_class(digits):
    labels = digits.train_labels
    ids = digits.base_ids
    for share in (0.001, 0.02, 0.98, 0.999):
        noised_ids = stratified_share(labels, ids, share, 0)
        for part in (noised_ids, np.setdiff1d(ids, noised_ids)):
            assert len(np.unique(labels[part])) == 10, share
    assert np.isin(
        stratified_share(labels, ids, 0.001, 0), stratified_share(labels, ids, 0.1, 0)
    ).all()
    lonely = np.array([3, 3, 7])  # a class of one point goes by rounding to none or all of it
    assert len(stratified_share(lonely, np.arange(3), 0.9, 0)) in (1, 2)


def test_noise_that_cannot_be_on_the_images_is_refused(digits):
    values, record = noise_of(digits, "random_noise")
    about = record | {"share": 1, "seed": 0}
    with pytest.raises(ArtifactError, match="noise of 50 of 255; its epsilon allows 25"):
        with_noise(digits, (2 * values).astype(np.int8), about)
    dark = values.copy()
    dark[digits.train_images == 0] = -1
    with pytest.raises(ArtifactError, match=r"out of 0\.\.255"):
        with_noise(digits, dark, about)


def test_a_study_of_shares(project):
    import pandas as pd

    from unlearn.report.figures import _notes

    plan = config(noise=["quick", {"name": "random_noise", "epsilon": 0.1}])
    plan["experiments"]["accuracy"]["figure"]["facet"] = "dataset.noise"
    plan["pictures"] = {"examples": {"dataset": {"name": "digits", "noise": "quick"}, "classes": 3}}
    project.write_study(plan)
    jobs = project.planned()
    assert (jobs.count("noise"), jobs.count("noised")) == (1, 1)  # names hide their number
    project.run()
    folder = project.results()
    assert len(list(folder.glob("noise/*/*/noise.json"))) == 2
    table = pd.read_csv(folder / "tables/accuracy.csv")
    means = table.set_index(["dataset.noise", "dataset.noised", "method"])["mean"]
    assert ("quick", 1.0, "retrain") not in means.index
    assert ("quick", 1.0, "original") in means.index
    assert (
        means["quick", 0, "original"]
        == means["quick", 0, "retrain"]
        == means["random_noise-epsilon=0.1", 0, "original"]
    )
    assert means["quick", 0.5, "retrain"] == means["random_noise-epsilon=0.1", 0.5, "retrain"]
    searched = (table["dataset.noise"] == "quick") & (table["dataset.noised"] > 0)
    assert (table.loc[searched, "unconverged"] == 2).all()
    assert (table.loc[~searched, "unconverged"] == 0).all()
    assert (
        "noise did NOT CONVERGE, kept: digits-noise=quick"
        in _notes.notes(table.assign(line=table["variant"]))[-1]
    )
    pixels = pd.read_csv(folder / "tables/examples.csv").pivot_table(
        index=["label", "point", "row", "column", "channel"], columns="image", values="value"
    )
    assert (pixels["clean"] + pixels["noise"] == pixels["noisy"]).all()
    assert pixels["noise"].abs().max() <= 25 and len(pixels) == 3 * 64
    assert (folder / "figures/examples.png").stat().st_size > 1000
    assert project.planned() == []
    project.edit(
        "unlearn/perturbations/random_noise.py", "ball.radius * (values", "-ball.radius * (values"
    )
    replanned = project.planned()
    assert "noise" in replanned and "noised" in replanned and "data" not in replanned
    scores = pd.read_csv(folder / "scores.csv")
    rounds = scores[(scores["metric"] == "noise_rounds") & scores["dataset"].str.contains("quick")]
    assert (rounds["value"] == 2).all() and len(rounds)


def test_noise_of_another_data_set_is_refused(project):
    project.write_study(config())
    project.snakemake("--until", "noised", "--cores", "1")
    path = next(project.results().glob("noise/*/*/noise.json"))
    noise = json.loads(path.read_text())
    path.write_text(path.read_text().replace(noise["dataset"], noise["dataset"][::-1]))
    record_path = path.with_name("record.json")
    record = json.loads(record_path.read_text())
    record["files"]["noise.json"]["sha256"] = records.file_digest(path)  # of a noise made elsewhere
    record_path.write_text(json.dumps(record))
    for folder in project.results("data").glob("*noised=0.5*"):
        for file in folder.iterdir():
            file.unlink()
    done = project.snakemake("--cores", "1", check=False)
    assert "made for another data set; delete it" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": 0}, "epsilon.*0"),
        ({"epsilon": 1}, "epsilon.*1"),
        ({"epsilon": 0.001}, "less than one step of a pixel"),
        ({"epsilon": 0.6}, "epsilon: 0.6 is .* more than 127; allowed: 1/255 to 127/255"),
        ({"step": 0.2}, "step: 0.2 is more than epsilon; allowed: up to 0.1"),
        ({"rounds": 0}, "rounds.*0"),
        ({"stop_error": 1.5}, "stop_error.*1.5"),
        ({"model": "logistic", "size": 3}, "size: 3 is not allowed; Logistic has none"),
        ({"model": "vgg"}, "model.*vgg"),
        ({"name": "minimal"}, "minimal"),
    ],
    ids=str,
)
def test_noise_that_cannot_be_is_refused_before_anything_runs(change, message):
    with pytest.raises(StudyError, match=message):
        load_study(config(noise={"name": "quick"} | change))


def test_what_noise_does_not_fit_is_refused():
    for share in (-0.1, 1.1):
        with pytest.raises(StudyError, match=f"noised.*{share}"):
            load_study(config(noised=share))
    with pytest.raises(StudyError, match="its images carry no noise"):
        load_study(config(experiment={"dataset": "digits"}))
    plan = config()
    plan["pictures"] = {"examples": {"dataset": "digits"}}
    with pytest.raises(StudyError, match=r"pictures\.examples.*no images that carry noise"):
        load_study(plan)


def test_shares_share_noise_and_images():
    plan = load_study(config())
    assert len(plan.datasets) == 4 and len(plan.noises) == 1
    assert {part.source for part in plan.datasets.values()} == {None, "digits"}


def test_examples_of_real_images():
    """CIFAR-10, noise rounded to whole steps, at both ends of the range."""
    data = build("cifar10", raw_data("cifar-10-batches-py"), subset=60)
    values, record = noise_of(data, "random_noise", epsilon=0.0314)
    assert record["largest"] == 8 and 0.3 < record["negative"] < 0.6
    noisy = with_noise(data, values, record | {"share": 1, "seed": 0})
    difference = noisy.train_images.astype(int) - data.train_images
    assert np.array_equal(difference, values)
