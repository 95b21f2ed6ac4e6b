"""What unlearning can rely on."""

from typing import NamedTuple


class Promise(NamedTuple):
    """What unlearning by retraining can rely on, where a trainer has its own way to train."""

    level: str
    """`exact` or `conditional`."""
    reason: str
    by_id: bool = False
    """Partitions: whether ids alone decide, not what points contain."""
    fixed: bool = True
    """Partitions: whether the place of a point never depends on which others are present."""
    serves: tuple[str, ...] = ("delete", "add")
    """The changes for which the level holds."""
