"""The fields of a method that weighs deleted points: see `forget_weights`. Needs no torch."""

from unlearn.core.parameters import parameter


def kind_parameter() -> str:
    """The influence that weights are proportional to."""
    text = "What a deleted point's share of the push is proportional to; none pushes none."
    return parameter(
        "fisher", choices=("none", "uniform", "teacher_loss", "fisher", "hessian"), help=text
    )


def cap_parameter() -> float | None:
    """The largest weight."""
    return parameter(10.0, minimum=1, help="The largest weight; their mean is 1.")


def damping_parameter() -> float:
    """What is added to the diagonal of a curvature."""
    text = "fisher, hessian. Added to the diagonal, relative to its mean."
    return parameter(0.01, above=0, help=text)


def layers_parameter() -> str:
    """Whose weights have influence."""
    text = "Whose weights have influence; auto is all for fisher, last for hessian."
    return parameter("auto", choices=("auto", "last", "all"), help=text)


def curvature_points_parameter() -> int:
    """How many points a curvature is of."""
    return parameter(2000, minimum=1, help="Retained points that the curvature is taken from.")


def max_solved_points_parameter() -> int:
    """How many points large systems are solved for."""
    text = "Deleted points up to which large systems are solved one by one."
    return parameter(64, minimum=1, help=text)
