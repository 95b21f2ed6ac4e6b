"""A table of numbers as a picture."""

from unlearn.report.figures.base import FigureKind


class Matrix(FigureKind):
    """A metric in cells of rows and columns that the study names, published values below."""

    has_selections = True
    published_form = "values"

    def draw(self, table, spec):
        """Cells with numbers, shaded by their value."""
        from unlearn.report.figures import _matrix

        return _matrix.draw(table, spec)
