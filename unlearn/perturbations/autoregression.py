"""Autoregressive signals on a grid, their filters, and weights whose filters tell them apart.

A signal x of a channel obeys x[i, j] = sum over k of b_k times the k-th pixel of the window of
3 x 3 that ends in (i, j), row by row, without the last. The filter b with -1 in the last place
answers with 0 to it (Sandoval-Segura et al. 2022).
"""

import numpy as np

NEIGHBOURS = tuple((row, column) for row in range(3) for column in range(3))[:-1]
"""The places of the eight weights in a window."""

BURN_IN = 4
"""Rows and columns before those that are kept."""

MAX_RMS = 50 / (3 * 32 * 32) ** 0.5
"""The largest root mean square of a stable signal: the norm 50 of three channels of 32 x 32."""

TRIALS = 3
"""Signals of a candidate that must be stable."""

CHANNELS = 3
DRAWN_CHANNELS = 2048
"""Channels that are drawn at a time; about one of five is stable."""


def borders(ids: np.ndarray, seed: int, sides: tuple[int, int], channels: int) -> np.ndarray:
    """The first two rows and columns of signals, standard normal by seed and id; elsewhere 0.

    Args:
        ids: The points.
        seed: Decides the values, with each id.
        sides: Height and width of the images.
        channels: Signals of a point.

    Returns:
        float64 (height + BURN_IN) x (width + BURN_IN) x channels x ids.
    """
    return np.stack(
        [_border(np.random.default_rng([seed, int(i)]), sides, channels) for i in ids], axis=-1
    )


def _border(random: np.random.Generator, sides: tuple[int, int], signals: int) -> np.ndarray:
    height, width = (side + BURN_IN for side in sides)
    x = np.zeros((height, width, signals))
    x[:2] = random.standard_normal((2, width, signals))
    x[2:, :2] = random.standard_normal((height - 2, 2, signals))
    return x


def signals(border: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Autoregressive signals, row by row from their first two rows and columns.

    Pixel by pixel, so that a signal does not depend on those that are computed beside it.

    Args:
        border: H x W x ..., changed in place.
        weights: 8 x ..., those of each signal.

    Returns:
        H - BURN_IN x W - BURN_IN x ...: without the first rows and columns.
    """
    height, width = border.shape[:2]
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that are not stable
        for i in range(2, height):
            for j in range(2, width):
                pixel = border[i, j]
                for (row, column), weight in zip(NEIGHBOURS, weights, strict=True):
                    pixel += weight * border[i - 2 + row, j - 2 + column]
    return border[BURN_IN:, BURN_IN:]


def answers(noise: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The sum of the positive answers of filters to noise, over all windows.

    Args:
        noise: Images x H x W x channels.
        weights: Filters x channels x 8.

    Returns:
        float32 images x filters.
    """
    last = np.full((*weights.shape[:2], 1), -1.0)
    filters = np.concatenate([weights, last], axis=2).astype(np.float32)
    matrix = filters.reshape(len(filters), -1).T
    windows = np.lib.stride_tricks.sliding_window_view(noise.astype(np.float32), (3, 3), (1, 2))
    result = np.empty((len(noise), len(weights)), dtype=np.float32)
    for image, image_windows in enumerate(windows):
        responses = image_windows.reshape(-1, len(matrix)) @ matrix
        result[image] = np.maximum(responses, 0, out=responses).sum(axis=0)
    return result


def class_weights(
    random: np.random.Generator, classes: int, pool: int, sides: tuple[int, int]
) -> tuple[np.ndarray, float]:
    """Weights for classes, chosen greedily so that the least mutual answer is large.

    The answers of two candidates are those of the filter of each to the signal of the other, of L2
    norm 1. The first two classes are the pair with the largest lesser answer.

    Args:
        random: Draws the candidates.
        classes: Number of classes.
        pool: Number of candidates.
        sides: Height and width of the images.

    Returns:
        Weights, classes x channels x 8, and the least answer of any to another.
    """
    weights, noise = _candidates(random, pool, sides)
    mutual_answers = answers(noise, weights)
    mutual_answers = np.minimum(mutual_answers, mutual_answers.T)
    np.fill_diagonal(mutual_answers, -1)
    chosen_rows = list(np.unravel_index(mutual_answers.argmax(), mutual_answers.shape))
    while len(chosen_rows) < classes:
        chosen_rows.append(mutual_answers[chosen_rows].min(axis=0).argmax())
    chosen_answers = mutual_answers[np.ix_(chosen_rows, chosen_rows)]
    least_answer = chosen_answers[~np.eye(classes, dtype=bool)].min()
    return weights[chosen_rows], float(least_answer)


def _candidates(
    random: np.random.Generator, pool: int, sides: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Stable weights, pool x channels x 8, and a signal of each of norm 1, pool x H x W x channels.

    Channels are drawn apart: three that are stable at once are rare.
    """
    weights = np.empty((0, len(NEIGHBOURS)))
    noise = np.empty((0, *sides))
    while len(weights) < CHANNELS * pool:
        b = random.standard_normal((DRAWN_CHANNELS, len(NEIGHBOURS)))
        b /= b.sum(axis=1, keepdims=True)
        x = signals(_border(random, sides, TRIALS * len(b)), np.tile(b.T, TRIALS))
        x = x.reshape(*sides, TRIALS, len(b))
        with np.errstate(over="ignore", invalid="ignore"):
            is_stable = (np.sqrt((x**2).mean(axis=(0, 1))) <= MAX_RMS).all(axis=0)
        weights = np.concatenate([weights, b[is_stable]])
        noise = np.concatenate([noise, x[:, :, 0, is_stable].transpose(2, 0, 1)])
    count = CHANNELS * pool
    weights = weights[:count].reshape(pool, CHANNELS, -1)
    noise = noise[:count].reshape(pool, CHANNELS, *sides).transpose(0, 2, 3, 1)
    return weights, noise / np.sqrt((noise**2).sum(axis=(1, 2, 3), keepdims=True))
