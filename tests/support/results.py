"""What must be the same in two runs."""

from unlearn.metrics.catalogue import METRICS


def stable(scores):
    """The rows that must be reproducible to the last byte."""
    clocked = {name for name, metric in METRICS.items() if metric.is_clocked}
    lines = scores.read_text().splitlines()
    column = lines[0].split(",").index("metric")
    return [line for line in lines if line.split(",")[column] not in clocked]


def same_results(project, other):
    """Scores, tables and figures but for timing and memory."""
    assert stable(project.results("scores.csv")) == stable(other.results("scores.csv"))
    for name in ("tables/accuracy.csv", "figures/accuracy.svg", "figures/accuracy.png"):
        assert project.results(name).read_bytes() == other.results(name).read_bytes(), name
