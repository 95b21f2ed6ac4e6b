"""The nearest and the most similar points of every point, in chunks that fit into a gigabyte.

Matrix products in float32 choose candidates. Distances and similarities are computed again in
float64: for pixels these are sums of whole numbers, which are exact. So the order of points does
not depend on the machine.
"""

import heapq
from collections.abc import Iterator

import numpy as np

CHUNK_POINTS = 128
"""Rows of a matrix product: 128 x 60,000 products in float32 take 31 MB."""

EXACT_VALUES = 2_000_000
"""Values of points that are held in float64 at a time, 16 MB."""

MARGIN_POINTS = 8
"""Candidates for the nearest points beyond those that count, for what float32 confuses."""

LISTED_POINTS = 64
"""Similar points that are listed for every point at first."""

MAX_PAIRS = 5_000_000
"""Pairs above a threshold that are held in memory."""

ROUNDING = 1e-4
"""How far a similarity in float32 may be from the one in float64."""

Pair = tuple[float, int, int]
"""Similarity, and the positions of two points, the smaller first."""


def mean_distances(images: np.ndarray, ids: np.ndarray, neighbours: int) -> np.ndarray:
    """The mean Euclidean distance of each of N points to the nearest of the others, float64 N.

    Args:
        images: The points, all of them: pixels or features.
        ids: The N points that count.
        neighbours: How many of the nearest are averaged; fewer than N.
    """
    rows = _rows(images, ids)
    bias = -0.5 * np.einsum("nd,nd->n", rows, rows)
    count = min(neighbours + MARGIN_POINTS, len(rows) - 1)
    nearest, _ = _largest_products(rows, bias, count)
    positions = np.repeat(np.arange(len(rows)), count)
    partners = nearest.ravel()
    squares = np.empty(len(partners))
    for part in _parts(len(partners), rows.shape[1]):
        differences = rows[positions[part]].astype(np.float64) - rows[partners[part]]
        squares[part] = np.einsum("nd,nd->n", differences, differences)
    distances = np.sqrt(np.sort(squares.reshape(nearest.shape), axis=1))
    return distances[:, :neighbours].mean(axis=1)


class Similarities:
    """Cosine similarities of points; a point without a direction is similar to none."""

    def __init__(self, images: np.ndarray, ids: np.ndarray, is_centred: bool):
        """Similarities of the points `ids` of `images`.

        `is_centred` subtracts from every point the mean of its values, so that images that are
        brighter or darker on the whole do not count as similar.
        """
        self.images = images
        self.ids = ids
        self.directions = _rows(images, ids)
        self.width = self.directions.shape[1]
        self.sums = np.zeros(len(ids))
        squares = np.empty(len(ids))
        for part in _parts(len(ids), self.width):
            rows = self.directions[part].astype(np.float64)
            if is_centred:
                self.sums[part] = rows.sum(axis=1)
            squares[part] = np.einsum("nd,nd->n", rows, rows)
        self.norms = np.sqrt(np.maximum(self.width * squares - self.sums**2, 0))
        scales = np.sqrt(self.width) / np.where(self.norms > 0, self.norms, np.inf)
        for part in _parts(len(ids), self.width):
            means = self.sums[part, None] / self.width
            self.directions[part] = (self.directions[part] - means) * scales[part, None]

    def exact(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The similarities of pairs of positions, float64."""
        products = np.empty(len(first))
        for part in _parts(len(first), self.width):
            left, right = (
                self.images[self.ids[positions[part]]].reshape(-1, self.width).astype(np.float64)
                for positions in (first, second)
            )
            products[part] = np.einsum("nd,nd->n", left, right)
        products = self.width * products - self.sums[first] * self.sums[second]
        norms = self.norms[first] * self.norms[second]
        return np.divide(products, norms, out=np.zeros(len(first)), where=norms > 0)

    def pairs_above(self, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """The positions of pairs whose similarity is at least the threshold, the smaller first.

        ValueError where there are too many to hold.
        """
        first_parts = [np.empty(0, dtype=np.int64)]
        second_parts = [np.empty(0, dtype=np.int64)]
        pairs = 0
        for start in range(0, len(self.ids), CHUNK_POINTS):
            block = self.directions[start : start + CHUNK_POINTS]
            products = block @ self.directions[start:].T
            first, second = np.nonzero(products >= threshold - ROUNDING)
            is_later = second > first
            pairs += int(is_later.sum())
            if pairs > MAX_PAIRS:
                raise ValueError(
                    f"threshold: more than {MAX_PAIRS:,} pairs have a similarity of {threshold:g}; "
                    "allowed: a larger threshold"
                )
            first_parts.append(start + first[is_later])
            second_parts.append(start + second[is_later])
        first = np.concatenate(first_parts)
        second = np.concatenate(second_parts)
        is_similar = self.exact(first, second) >= threshold
        return first[is_similar], second[is_similar]

    def disjoint_pairs(self) -> Iterator[Pair]:
        """Pairs of points that no earlier pair has, the most similar pair of them first.

        Ties go to the smaller positions. A heap holds bounds of similarities; a pair whose bound
        comes first is computed exactly and goes back into the heap.
        """
        count = min(LISTED_POINTS, len(self.ids) - 1)
        listed, bounds = _largest_products(self.directions, np.zeros(len(self.ids)), count)
        order = np.argsort(-bounds, axis=1, kind="stable")
        lists = np.take_along_axis(listed, order, axis=1)
        list_bounds = np.take_along_axis(bounds, order, axis=1) + ROUNDING
        queue = _PairQueue(self, lists, list_bounds)
        yield from queue.pairs()


class _PairQueue:
    """The similar points of every point that are still to be looked at, best first.

    An entry of the heap is (negative bound, is a bound, position, partner, place in the list).
    """

    def __init__(self, similarities: Similarities, lists: np.ndarray, bounds: np.ndarray):
        self.similarities = similarities
        self.lists = dict(enumerate(lists))
        self.bounds = dict(enumerate(bounds))
        self.is_free = np.ones(len(lists), dtype=bool)
        self.heap = [
            (-float(bounds[position, 0]), True, position, int(lists[position, 0]), 0)
            for position in range(len(lists))
            if lists.shape[1]
        ]
        heapq.heapify(self.heap)

    def pairs(self) -> Iterator[Pair]:
        """See `Similarities.disjoint_pairs`."""
        while self.heap:
            negative, is_bound, position, partner, place = heapq.heappop(self.heap)
            if not self.is_free[position]:
                continue
            if is_bound:
                self._push_next(position, place)
            if not self.is_free[partner]:
                continue
            first, second = min(position, partner), max(position, partner)
            if is_bound:
                (similarity,) = self.similarities.exact(np.array([first]), np.array([second]))
                heapq.heappush(self.heap, (-float(similarity), False, first, second, 0))
                continue
            self.is_free[[first, second]] = False
            yield -negative, first, second

    def _push_next(self, position: int, place: int) -> None:
        """Put the next entry of a list into the heap; make a new list where one has ended."""
        place += 1
        if place == len(self.lists[position]):
            self._list_free(position, self.bounds[position][-1])
            place = 0
        if len(self.lists[position]):
            bound = -float(self.bounds[position][place])
            partner = int(self.lists[position][place])
            heapq.heappush(self.heap, (bound, True, position, partner, place))

    def _list_free(self, position: int, bound: float) -> None:
        """List the free points that are not more similar than `bound`, those of the last list."""
        directions = self.similarities.directions
        bounds = directions @ directions[position] + ROUNDING
        is_listed = np.zeros(len(bounds), dtype=bool)
        is_listed[self.lists[position]] = True
        bounds[~self.is_free | is_listed | (bounds > bound)] = -np.inf
        bounds[position] = -np.inf
        count = min(4 * LISTED_POINTS, int(np.isfinite(bounds).sum()))
        chosen = np.argsort(-bounds, kind="stable")[:count]
        self.lists[position] = chosen
        self.bounds[position] = bounds[chosen]


def _rows(images: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Points as rows N x D in float32."""
    rows = np.empty((len(ids), int(np.prod(images.shape[1:]))), dtype=np.float32)
    for part in _parts(*rows.shape):
        rows[part] = images[ids[part]].reshape(-1, rows.shape[1])
    return rows


def _largest_products(
    rows: np.ndarray, bias: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """For every row i the rows j of the largest `rows[i] . rows[j] + bias[j]`, without i itself.

    Args:
        rows: N x D, float32.
        bias: N.
        count: How many; fewer than N.

    Returns:
        The rows, int64 N x count, and the values, float32, in no order.
    """
    largest = np.empty((len(rows), count), dtype=np.int64)
    values = np.empty((len(rows), count), dtype=np.float32)
    bias = bias.astype(np.float32)
    for start in range(0, len(rows), CHUNK_POINTS):
        products = rows[start : start + CHUNK_POINTS] @ rows.T
        products += bias
        positions = np.arange(len(products))
        products[positions, start + positions] = -np.inf
        chosen = np.argpartition(products, len(rows) - count, axis=1)[:, len(rows) - count :]
        largest[start : start + CHUNK_POINTS] = chosen
        values[start : start + CHUNK_POINTS] = np.take_along_axis(products, chosen, axis=1)
    return largest, values


def _parts(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` values, each small enough for float64."""
    size = max(1, EXACT_VALUES // width)
    for start in range(0, count, size):
        yield slice(start, start + size)
