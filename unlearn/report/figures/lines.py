"""Metrics against a column of the table, one line a method."""

from unlearn.report.figures.base import FigureKind


class Lines(FigureKind):
    """Metrics against a column of the table, with intervals; names of a column become rows."""

    published_form = "curves"

    def draw(self, table, spec):
        """Panels of lines."""
        from unlearn.report.figures import _lines

        return _lines.draw(table, spec)
