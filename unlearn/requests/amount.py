"""How many points a request is about: a rate or a count."""

from unlearn.core.parameters import parameter
from unlearn.core.setting import DataFacts


def rate_parameter() -> float | None:
    """The field `rate` of a sampler."""
    text = "Share of the points in base training; give this or `count`."
    return parameter(None, above=0, below=1, help=text)


def count_parameter() -> int | None:
    """The field `count` of a sampler."""
    return parameter(None, minimum=1, help="Number of points; give this or `rate`.")


def steps_parameter() -> int:
    """The field `steps` of a sampler."""
    text = "Parts in which the points are requested, one after the other."
    return parameter(1, minimum=1, help=text)


def amount(base_points: int, rate: float | None, count: int | None) -> int:
    """The number of points that a rate or a count asks for; ValueError unless it is one of them."""
    if (rate is None) == (count is None):
        raise ValueError("give either rate or count")
    points = round(rate * base_points) if count is None else count
    if points < 1:
        raise ValueError(
            f"rate {rate} selects no point of {base_points}; the least is {1 / base_points:.2g}"
        )
    return points


def check_deletion(data: DataFacts, rate: float | None, count: int | None, steps: int) -> None:
    """ValueError unless some but not all points of base training are selected.

    Args:
        data: The sizes of the data set.
        rate: Share of base training, or None.
        count: Number of points, or None.
        steps: Parts of the request; each needs a point.
    """
    points = amount(data.base_points, rate, count)
    if points >= data.base_points:
        raise ValueError(
            f"{points} points leave nothing of the {data.base_points} in the training set"
        )
    check_steps(steps, points)


def check_steps(steps: int, points: int) -> None:
    """ValueError for more steps than points."""
    if steps > points:
        raise ValueError(f"{steps} steps are more than the {points} points that are selected")
