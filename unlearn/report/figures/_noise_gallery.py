"""Pictures: clean images, their noise magnified, and their sum, one column a class."""

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure

from unlearn.report.figures import _style

ROWS = ("clean", "noise", "noisy")


def draw(table: pd.DataFrame) -> Figure:
    """Draw a table of `unlearn.report.noise_gallery`. Noise is stretched: grey is none."""
    datasets, labels = table["dataset"].unique(), table["label"].unique()
    rows = len(datasets) * len(ROWS)
    size = (0.9 * len(labels) + 1.1, 0.9 * rows + 0.4)
    figure, axes = pyplot.subplots(
        rows, len(labels), figsize=size, squeeze=False, layout="constrained"
    )
    notes = []
    for block, dataset in enumerate(datasets):
        own = table[table["dataset"] == dataset]
        largest = int(own.loc[own["image"] == "noise", "value"].abs().max())
        notes.append(
            f"{dataset}: noise of at most {largest} of 255, "
            f"magnified {127 / max(largest, 1):.0f} times"
            + ("" if own["converged"].all() else "; its search did NOT CONVERGE")
        )
        for i, name in enumerate(ROWS):
            for j, label in enumerate(labels):
                axis = axes[block * len(ROWS) + i, j]
                part = own[(own["image"] == name) & (own["label"] == label)]
                if len(part):
                    axis.imshow(
                        _image(part, largest if name == "noise" else None), interpolation="nearest"
                    )
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
                if i == 0 and block == 0:
                    axis.set_title(f"class {label}")
            kind = dataset.rpartition("noise=")[2].replace("_", "\n")  # as wide as its picture
            label = f"{name}\n{kind}" if name == "noise" else name
            axes[block * len(ROWS) + i, 0].set_ylabel(label)
    _style.footnote(figure, notes)
    return figure


def _image(part: pd.DataFrame, largest: int | None) -> np.ndarray:
    """H x W x 3 in 0..1."""
    shape = tuple(part[name].max() + 1 for name in ("row", "column", "channel"))
    image = np.zeros(shape)
    image[part["row"], part["column"], part["channel"]] = part["value"]
    image = image / 255 if largest is None else 0.5 + image / (2 * max(largest, 1))
    return np.broadcast_to(image, (*shape[:2], 3)) if shape[2] == 1 else image
