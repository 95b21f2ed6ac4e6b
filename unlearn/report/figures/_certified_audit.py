"""Audits of certificates: what is certified and what is found, one panel a method."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.report.figures import _style
from unlearn.report.figures._labels import part_label, wrapped

PANEL_INCHES = (3.0, 2.8)
TITLE_LETTERS = 26

SOUND = {"color": "black", "marker": "o", "linestyle": "none"}
REFUTED = {"color": "#D55E00", "marker": "X", "linestyle": "none"}


def draw(table: pd.DataFrame) -> Figure:
    """Lower bounds of mu against the scale of the noise, with the certificate as a line."""
    panels = list(table.groupby("variant", sort=False))
    width, height = PANEL_INCHES
    figure = _style.pyplot.figure(figsize=(width * len(panels), height), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel_axes, (variant, panel) in zip(axes, panels, strict=True):
        _draw_panel(panel_axes, panel)
        panel_axes.set_title(wrapped(part_label(variant), TITLE_LETTERS), loc="left")
    axes[0].set_ylabel("mu")
    axes[0].legend()
    runs = ", ".join(f"{count:,}" for count in table["runs"].unique())
    _style.footnote(figure, [f"{runs} runs of each law; bounds hold with a confidence of 95 %"])
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame) -> None:
    """One method."""
    axes.axhline(panel["mu"].iloc[0], color="0.5", label="certificate")
    for is_refuted, label, style in ((0, "audit", SOUND), (1, "audit, refuted", REFUTED)):
        rows = panel[panel["is_refuted"] == is_refuted]
        axes.plot(rows["noise_scale"], rows["mu_low"], label=label, **style)
    axes.set_xscale("log")
    scales = sorted(panel["noise_scale"])
    axes.set_xticks(scales, [f"{scale:g}" for scale in scales], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("Noise / noise of the method")
    axes.set_ylim(bottom=0)
