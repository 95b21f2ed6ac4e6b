"""The contract of kinds of figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from unlearn.core.parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class FigureKind(Parameters):
    """Draws the table of an experiment. One file each, importable without matplotlib."""

    x_is_metric: ClassVar[bool] = False
    """Whether x names a metric on a split, as in `wall_seconds/forget`, instead of a column."""

    y_is_distance: ClassVar[bool] = False
    """Whether y may name distances to the oracle only."""

    compares_metrics: ClassVar[bool] = False
    """Whether the figure compares the metrics of y with each other and has no x axis."""

    has_normalised_axis: ClassVar[bool] = False
    """Whether metrics can be drawn from the oracle to doing nothing, as `normalised` says."""

    has_selections: ClassVar[bool] = False
    """Whether labels of rows and columns stand in the figure block; there is no x axis."""

    published_form: ClassVar[str | None] = None
    """What numbers of others look like in the figure block: `values`, `curves`, or None."""

    def draw(self, table: pd.DataFrame, spec: Mapping) -> Figure:
        """The figure of a long table, as `tables/<experiment>.csv`, and its figure block."""
        raise NotImplementedError
