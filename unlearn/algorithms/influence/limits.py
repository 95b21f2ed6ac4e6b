"""How many gradients of single points fit into memory. Importable without torch."""

MAX_HELD_BYTES = 4 * 2**30
"""Memory that gradients of single points may take."""

WEIGHT_BYTES = 4
"""Memory of one number of a gradient."""


def memory_problem(weights: int | None, points: int) -> str | None:
    """Why the gradients of so many points do not fit into memory; None if they do.

    Args:
        weights: The weights of the network; None where they are unknown.
        points: The points whose gradients are held at the same time.
    """
    if weights is None or points * weights * WEIGHT_BYTES <= MAX_HELD_BYTES:
        return None
    limit = MAX_HELD_BYTES // (weights * WEIGHT_BYTES)
    return (
        f"curvature_points: {points} gradients of {weights:,} weights take more than "
        f"{MAX_HELD_BYTES // 2**30} GiB; allowed: 1 .. {limit}"
    )
