"""What noise on weights asks of a network."""

from unlearn.models.base import Architecture


def batch_normalisation_problem(architecture: Architecture | None) -> str | None:
    """Why noise on all weights cannot cover the networks of an architecture; None if it may.

    Args:
        architecture: None where nothing depends on it.
    """
    if architecture is None or not architecture.has_batch_normalisation:
        return None
    return (
        f"{type(architecture).__name__} has statistics of batch normalisation, which get no noise; "
        "allowed: architectures without, as logistic, mlp, cnn1, cnn2"
    )
