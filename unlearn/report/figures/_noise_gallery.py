"""Pictures: clean images, their noise magnified, and their sum, one column a class."""

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure

from unlearn.report.figures import _style

IMAGES = ("clean", "noise", "noisy")
"""The rows of pictures of a data set."""


def draw(table: pd.DataFrame) -> Figure:
    """Draw a table of `unlearn.report.noise_gallery`. Noise is stretched; grey is no noise."""
    datasets = table["dataset"].unique()
    labels = table["label"].unique()
    rows = len(datasets) * len(IMAGES)
    size = (0.9 * len(labels) + 1.1, 0.9 * rows + 0.4)
    figure, axes = pyplot.subplots(
        rows, len(labels), figsize=size, squeeze=False, layout="constrained"
    )
    notes = []
    for block, dataset in enumerate(datasets):
        pixels = table[table["dataset"] == dataset]
        block_axes = axes[block * len(IMAGES) : (block + 1) * len(IMAGES)]
        largest_noise = int(pixels.loc[pixels["image"] == "noise", "value"].abs().max())
        _draw_dataset(block_axes, pixels, labels, largest_noise)
        notes.append(_note(dataset, pixels, largest_noise))
    for label, axis in zip(labels, axes[0], strict=True):
        axis.set_title(f"class {label}")
    _style.footnote(figure, notes)
    return figure


def _draw_dataset(
    axes: np.ndarray, pixels: pd.DataFrame, labels: np.ndarray, largest_noise: int
) -> None:
    """Draw three rows of pictures: images, their noise, and their sum.

    Args:
        axes: three rows of axes, a column for each class.
        pixels: the rows of the table of one data set.
        labels: the classes.
        largest_noise: the largest absolute value of the noise, in steps of 1/255.
    """
    kind = pixels["dataset"].iloc[0].rpartition("noise=")[2]
    narrow_kind = kind.replace("_", "\n")  # as wide as its picture
    for name, row in zip(IMAGES, axes, strict=True):
        for label, axis in zip(labels, row, strict=True):
            image_pixels = pixels[(pixels["image"] == name) & (pixels["label"] == label)]
            if len(image_pixels):
                image = _image(image_pixels, largest_noise if name == "noise" else None)
                axis.imshow(image, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(f"{name}\n{narrow_kind}" if name == "noise" else name)


def _note(dataset: str, pixels: pd.DataFrame, largest_noise: int) -> str:
    """What the footnote says of the noise of a data set."""
    factor = 127 / max(largest_noise, 1)
    note = f"{dataset}: noise of at most {largest_noise} of 255, magnified {factor:.0f} times"
    return note if pixels["converged"].all() else f"{note}; its search did NOT CONVERGE"


def _image(pixels: pd.DataFrame, largest_noise: int | None) -> np.ndarray:
    """H x W x 3 in 0..1; noise of at most `largest_noise` is stretched around grey."""
    shape = tuple(pixels[name].max() + 1 for name in ("row", "column", "channel"))
    image = np.zeros(shape)
    image[pixels["row"], pixels["column"], pixels["channel"]] = pixels["value"]
    image = image / 255 if largest_noise is None else 0.5 + image / (2 * max(largest_noise, 1))
    return np.broadcast_to(image, (*shape[:2], 3)) if shape[2] == 1 else image
