"""One row a method, sorted by cost, with a dot for each metric."""

from unlearn.report.figures.base import FigureKind


class Dots(FigureKind):
    """One row a method, sorted by cost; a panel a metric, leakage from oracle to doing nothing."""

    x_is_metric = True
    has_normalised_axis = True

    def draw(self, table, spec):
        """Blocks of panels of dots."""
        from unlearn.report.figures import _dots

        return _dots.draw(table, spec)
