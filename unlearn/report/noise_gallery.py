"""Images as tables: what a picture of them is drawn from."""

import numpy as np
import pandas as pd

from unlearn.data.dataset import Dataset

COLUMNS = ("label", "point", "image", "row", "column", "channel", "value", "converged")


def pixels(clean: Dataset, noisy: Dataset, classes: int) -> pd.DataFrame:
    """Every pixel of one noisy image of each of the first `classes` classes, a row each.

    An image stands there as it was (`clean`), as it is (`noisy`), and as their difference
    (`noise`). Values are in steps of 1/255. `converged` is 1 if the search for the noise converged.
    """
    labels = noisy.train_labels[noisy.noised_ids]
    parts = []
    for label in np.unique(labels)[:classes]:
        point = int(noisy.noised_ids[labels == label][0])
        clean_image = clean.train_images[point].astype(np.int16)
        noisy_image = noisy.train_images[point].astype(np.int16)
        images = {"clean": clean_image, "noise": noisy_image - clean_image, "noisy": noisy_image}
        for name, image in images.items():
            part = _image_pixels(image)
            parts.append(part.assign(label=int(label), point=point, image=name))
    converged = int(noisy.description["noise"]["converged"])
    table = pd.concat(parts, ignore_index=True).assign(converged=converged)
    return table[list(COLUMNS)]


def _image_pixels(image: np.ndarray) -> pd.DataFrame:
    """The values of an image, H x W x channels, with their places."""
    row, column, channel = np.indices(image.shape)
    columns = {"row": row, "column": column, "channel": channel, "value": image}
    return pd.DataFrame({name: array.ravel() for name, array in columns.items()})
