"""Architectures that something other than a study's `models` names: by kind and size.

Numpy and torch are not needed: the plan of a study asks here.
"""

SIZES = {"mlp": "hidden", "cnn1": "width", "cnn2": "width", "resnet9": "width"}
"""The parameter of an architecture that says how large it is."""

OWN_SIZE = ("cnn1", "cnn2")
"""Architectures that know their size from the images."""

FLAT = ("logistic", "mlp")
"""Architectures that do not ask where in the image a number comes from."""


def parameters(kind: str, size: int | None) -> dict:
    """What `models.build` is told."""
    return {SIZES[kind]: size} if kind in SIZES else {}


def check(kind: str, size: int | None) -> None:
    """ValueError for a size where there is none, or none where one is needed."""
    if size is not None and kind not in SIZES:
        raise ValueError(f"size: {kind} has none; allowed: null")
    if size is None and kind in SIZES and kind not in OWN_SIZE:
        raise ValueError(f"size: null; {kind} needs its {SIZES[kind]}")
