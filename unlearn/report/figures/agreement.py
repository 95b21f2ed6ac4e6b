"""How far the metrics of a table agree about its methods."""

from unlearn.report.figures.base import FigureKind


class AgreementMatrix(FigureKind):
    """A matrix of Kendall's tau between metrics, over methods, and of how often two disagree."""

    compares_metrics = True

    def draw(self, table, spec):
        """A heat map with numbers."""
        from unlearn.report.figures import _agreement

        return _agreement.draw(table, spec)
