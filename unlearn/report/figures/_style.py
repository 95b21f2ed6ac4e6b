"""The look of every figure: small type, colours that the colour-blind tell apart, no dates."""

import itertools
import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

import matplotlib
import numpy as np

matplotlib.use("agg")

from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogFormatterSciNotation, StrMethodFormatter

from unlearn.evaluation import placement

# Okabe and Ito (2008); black and grey are kept for the controls
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">")
CONTROL_STYLES = {
    "retrain": {"color": "black", "marker": "o", "linestyle": "--"},
    "original": {"color": "0.55", "marker": "o", "linestyle": ":"},
}
METHODS = (
    "sisa",
    "deltagrad",
    "influence_distillation",
    "error_minimizing_noise",
    "finetune",
    "gradient_ascent",
    "naive_finetuning",
)
"""Each has the colour and marker of its place in every figure whose lines are methods; what else is
in such a figure has those of no method, while there are any."""

LEGEND_LINES, LEGEND_LINE = 2, 0.17
"""Lines of a legend that a figure has room for; inches that one more takes."""

THOUSANDS, MILLIONS = 10_000, 2_000_000
"""Axes that reach the first have separators, the second letters: 60M."""

METRIC_LABELS = {
    "accuracy": "Accuracy (%)",
    "loss": "Cross-entropy (nats)",
    "attack_auc": "AUC of the attack by loss",
    "kl": "KL(oracle || model) (nats)",
    "kl_reverse": "KL(model || oracle) (nats)",
    "js": "Jensen-Shannon (nats)",
    "kl_reseeded": "KL(other seed's oracle || oracle) (nats)",
    "js_reseeded": "Jensen-Shannon of oracles (nats)",
    "l2_reseeded": "L2 distance of oracles",
    "l2": "L2 distance to the oracle",
    "l2_relative": "L2 distance / do nothing",
    "wall_seconds": "Seconds",
    "cpu_seconds": "CPU seconds",
    "gradient_evaluations": "Gradient evaluations",
    "forward_evaluations": "Forward evaluations",
    "flops": "FLOPs",
    "peak_memory_bytes": "Peak memory (bytes)",
    "bytes_stored": "Bytes stored",
    "io_seconds": "Seconds of reading and writing",
    "optimizer_steps": "Optimiser steps",
    "expected_gradient_evaluations": "Expected gradient evaluations",
    "speedup": "Speed-up (gradient evaluations)",
    "speedup_seconds": "Speed-up (seconds)",
    "shards_retrained": "Shards retrained",
    "stages_retrained": "Stages retrained",
    "exact_steps": "Exact steps",
    "approximate_steps": "Approximate steps",
    "direct_steps": "Direct steps",
    "fallbacks": "Fall-backs to an exact step",
    "active_fraction": "Deleted points below the bound (%)",
    "uniform_fallbacks": "Fall-backs to uniform weights",
    "unconverged_solves": "Unconverged solves",
    "largest_residual": "Largest relative residual",
    "accuracy_gap": "Accuracy - oracle's (points)",
    "loss_gap": "Cross-entropy - oracle's (nats)",
    "kl_scratch": "KL(scratch || model) (nats)",
    "accuracy_gap_scratch": "Accuracy - scratch (points)",
    "loss_gap_scratch": "Cross-entropy - scratch (nats)",
    "kl_taught": "KL(oracle's student || model) (nats)",
    "accuracy_gap_taught": "Accuracy - oracle's student (points)",
    "loss_gap_taught": "Cross-entropy - oracle's student",
    "noise_error": "Mistakes left on noisy images",
    "noise_rounds": "Rounds of the search for noise",
    "noise_converged": "Searches that converged",
    "noise_wall_seconds": "Seconds of making noise",
    "noise_gradient_evaluations": "Gradient evaluations for noise",
    "vote_accuracy": "Accuracy of plain votes (%)",
    "tie_fraction": "Tied votes (%)",
    "lone_accuracy": "Mean accuracy of constituents (%)",
    "lone_accuracy_min": "Accuracy of the worst constituent (%)",
    "lone_accuracy_max": "Accuracy of the best constituent (%)",
}
COLUMN_LABELS = {
    "rate": "Share deleted or added",
    "step": "Requests served",
    "points": "Points deleted or added",
    "method.shards": "Shards",
    "method.lr": "Learning rate",
    "method.slices": "Slices",
    "method.period": "Period (iterations)",
    "recipe.batch_size": "Minibatch size",
    "dataset.noised": "Share of images with noise",
    "noise.epsilon": "Epsilon (share of the range of pixels)",
    "method.noise": "Noise on deleted images",
    "method.weights": "What the push is weighted by",
    "method.temperature": "Temperature",
    "method.beta": "Strength of the push (beta)",
    "sampler": "Deleted points",
    "variant": "",
    "model": "",
}

matplotlib.rcParams.update(
    {
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "legend.fontsize": 7.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.6,
        "lines.linewidth": 1.2,
        "lines.markersize": 4,
        "svg.hashsalt": "unlearn",
    }
)


def metrics_label(metrics: Sequence[str]) -> str:
    """What the y axis of these metrics says: the words that their labels share."""
    labels = [METRIC_LABELS.get(metric, metric) for metric in metrics]
    common = set.intersection(*(set(label.lower().split()) for label in labels))
    words = [word for word in labels[0].split() if word.lower() in common]
    shared = " ".join(words)
    return shared[:1].upper() + shared[1:] or ", ".join(labels)


def clamped(metric: str, low, high) -> tuple[np.ndarray, np.ndarray]:
    """The ends of an interval, in the units that are shown, as far as values can lie.

    An end at 0 is where a logarithmic axis ends: matplotlib draws it there, and does not let it
    move the axis.
    """
    if "gap" in metric:  # nothing else is ever negative
        return low, high
    return np.maximum(low, 0), np.minimum(high, 100 if metric in placement.PERCENT else np.inf)


class Numbers(LogFormatterSciNotation):
    """Ticks of a logarithmic axis: plain numbers where all are short, else powers of ten."""

    def __call__(self, x, pos=None) -> str:
        shown = super().__call__(x, pos)
        low, high = sorted(self.axis.get_view_interval())
        return f"{x:,g}" if shown and low >= 5e-4 and high < 1e6 else shown


def write_numbers(axis) -> None:
    """Give an x or y axis, whose values are drawn, ticks that are easily read."""
    low, high = axis.get_view_interval()
    if axis.get_scale() == "log":
        axis.set_major_formatter(Numbers())
        # of minor ticks some are labelled where powers of ten are two at most
        axis.set_minor_formatter(Numbers(minor_thresholds=(2, 0.4)))
    elif axis.get_scale() == "linear" and max(abs(low), abs(high)) >= MILLIONS:
        axis.set_major_formatter(EngFormatter(sep=""))
    elif axis.get_scale() == "linear" and max(abs(low), abs(high)) >= THOUSANDS:
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def panels(rows: int, columns: int, tall: float | None = None) -> tuple[Figure, np.ndarray]:
    """A grid of axes, 7.1 inches (two columns of a paper) wide for two panels or more.

    `tall`: inches of a panel, where what is drawn says it; such panels have room for names at the
    left.
    """
    width = min(7.1, 3.5 * columns + (1.2 if tall else 0))
    height = 0.6 + rows * (tall or max(1.7, 2.3 - 0.2 * rows))
    return pyplot.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )


def label_outer(axes: np.ndarray, by_row: bool) -> None:
    """Keep the x label of the lowest panel of each column and, `by_row`, the first y label."""
    for column in axes.T:
        for axis in [a for a in column if a.get_visible()][:-1]:
            axis.set_xlabel("")
    for row in axes if by_row else ():
        for axis in [a for a in row if a.get_visible()][1:]:
            axis.set_ylabel("")


def label_rows(axes: np.ndarray) -> None:
    """Keep the names of rows beside the first panel of each row."""
    for row in axes:
        for axis in [a for a in row if a.get_visible()][1:]:
            axis.set_ylabel("")
            axis.set_yticklabels([])


def legend(figure: Figure, axes: np.ndarray) -> None:
    """One legend above all panels, as many columns as there is room for."""
    named = [axis.get_legend_handles_labels() for axis in axes.flat]
    entries = {label: handle for pair in named for handle, label in zip(*pair, strict=True)}
    if entries:
        longest = max(map(len, entries))
        room = int(figure.get_figwidth() / (0.55 + 0.065 * longest))
        columns = max(1, min(room, len(entries)))
        more = math.ceil(len(entries) / columns) - LEGEND_LINES
        figure.set_figheight(figure.get_figheight() + max(0, more) * LEGEND_LINE)
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="outside upper center",
            ncols=columns,
            frameon=False,
        )


def footnote(figure: Figure, lines: list[str]) -> None:
    """Small type below everything, as wide as the figure."""
    width = int(17 * figure.get_figwidth())
    wrapped = [part for line in lines for part in textwrap.wrap(line, width)]
    figure.supxlabel("\n".join(wrapped), fontsize=6.5, color="0.35")


def line_styles(
    names: Mapping[str, str | None], methods: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dict]:
    """Colour, marker and line of each line; controls of one trainer always look the same.

    `names` maps a line to what its colour stands for, None where it stands for the line itself.
    Lines that share a colour differ by their method's kind of line. `methods` maps lines to
    methods: one line of each of METHODS, that of its defaults if there is one, looks the same in
    every figure.
    """
    styles, drawn = {}, {}
    kinds = {name: name.partition("@")[0] for name, shade in names.items() if shade is None}
    plain = {
        name
        for name, kind in kinds.items()
        if kind in CONTROL_STYLES and (name == kind or list(kinds.values()).count(kind) == 1)
    }
    shades = _numbers({k: v or k for k, v in names.items() if k not in plain}, kinds, methods)
    for name in names:
        if name in plain:
            styles[name] = CONTROL_STYLES[kinds[name]]
            continue
        number = shades[name]
        turn = number // len(PALETTE)
        method = name.rpartition(", ")[2].partition("@")[0]
        others = drawn.setdefault(number, [])
        styles[name] = {
            "color": PALETTE[number % len(PALETTE)],
            "marker": MARKERS[(number + turn) % len(MARKERS)],
            "linestyle": ("-", "-.")[(turn + len(others)) % 2],
        }
        if method in CONTROL_STYLES:
            styles[name]["linestyle"] = CONTROL_STYLES[method]["linestyle"]
        else:
            others.append(name)
    return styles


def _numbers(
    shades: Mapping[str, str], own: Collection[str], methods: Mapping[str, str]
) -> dict[str, int]:
    """A number of the palette for each line: its method's, or the next that is free.

    `own`: the lines whose colour stands for themselves.
    """
    taken: dict[str, int] = {}
    for name in sorted(shades, key=lambda name: name != methods.get(name)):  # defaults first
        method, shade = methods.get(name), shades[name]
        if name in own and method in METHODS and METHODS.index(method) not in taken.values():
            taken[shade] = METHODS.index(method)
    nobodys = range(len(METHODS), len(PALETTE)) if taken else ()
    numbers = itertools.chain(nobodys, itertools.count())
    free = (number for number in numbers if number not in taken.values())
    return {
        name: taken[shade] if shade in taken else taken.setdefault(shade, next(free))
        for name, shade in shades.items()
    }


def save(figure: Figure, path, kind: str) -> None:
    """Write without dates and versions, so that equal figures are equal files."""
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(path, format=kind, dpi=200, metadata=metadata)
