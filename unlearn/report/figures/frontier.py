"""Distance to the oracle against cost, one point a variant."""

from unlearn.report.figures.base import FigureKind


class Frontier(FigureKind):
    """Distance to the oracle against cost, one point a variant, and the frontier of the best."""

    x_is_metric = True
    y_is_distance = True

    def draw(self, table, spec):
        """Panels of points."""
        from unlearn.report.figures import _frontier

        return _frontier.draw(table, spec)
