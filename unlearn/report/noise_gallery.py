"""Images as tables: what a picture of them is drawn from."""

import numpy as np
import pandas as pd

from unlearn.data.dataset import Dataset

COLUMNS = ("label", "point", "image", "row", "column", "channel", "value", "converged")


def pixels(clean: Dataset, noisy: Dataset, classes: int) -> pd.DataFrame:
    """Every pixel of one noisy image of each of the first `classes` classes, as it was (`clean`),
    as it is (`noisy`), and the difference (`noise`): a row each, values in steps of 1/255.
    `converged`: whether the search for the noise came to its end.
    """
    labels = noisy.train_labels[noisy.noised_ids]
    parts = []
    for label in np.unique(labels)[:classes]:
        point = int(noisy.noised_ids[labels == label][0])
        before, after = (d.train_images[point].astype(np.int16) for d in (clean, noisy))
        images = {"clean": before, "noise": after - before, "noisy": after}
        for name, image in images.items():
            row, column, channel = np.indices(image.shape)
            part = {"row": row, "column": column, "channel": channel, "value": image}
            frame = pd.DataFrame({key: array.ravel() for key, array in part.items()})
            parts.append(frame.assign(label=int(label), point=point, image=name))
    converged = int(noisy.description["noise"]["converged"])
    parts = [part.assign(converged=converged) for part in parts]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]
