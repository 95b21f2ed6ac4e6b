"""The look of every figure: small type, colours that the colour-blind tell apart, no dates."""

import itertools
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unlearn.metrics.catalogue import METRICS

# Okabe and Ito (2008); black and grey are kept for the controls
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C6D31")
MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">")
CONTROL_STYLES = {
    "retrain": {"color": "black", "marker": "o", "linestyle": "--"},
    "original": {"color": "0.55", "marker": "o", "linestyle": ":"},
}
METHOD_ORDER = (
    "sisa",
    "deltagrad",
    "influence_distillation",
    "error_minimizing_noise",
    "finetune",
    "gradient_ascent",
    "naive_finetuning",
)
"""The methods with a fixed colour and marker of the palette, in every figure of methods.

The other lines of such a figure get the rest of the palette first."""

MIN_PANEL_INCHES = 1.4
"""Least width of a panel: figures of many columns are wider than a paper."""

DOTS_PER_INCH = 200

MAX_PIXELS = 30_000
"""Longest side of a figure: a longer one has fewer dots per inch."""

COLUMN_LABELS = {
    "rate": "Share deleted or added",
    "step": "Requests served",
    "points": "Points deleted or added",
    "relearning_step": "Steps of relearning",
    "population.unlearned": "Models a side",
    "population.oracles": "Oracles",
    "population.originals": "Originals",
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

matplotlib.use("agg")
matplotlib.rcParams.update(
    {
        "font.size": 8,
        "axes.titlesize": 8,
        "axes.labelsize": 8,
        "legend.fontsize": 7.5,
        "xtick.labelsize": 7,
        "ytick.labelsize": 7,
        "xtick.minor.pad": 5,  # level with the labels of longer ticks
        "ytick.minor.pad": 5,
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
    """The label of an axis of these metrics: the words that all their labels have."""
    labels = [METRICS[metric].label for metric in metrics]
    common_words = set.intersection(*(set(label.lower().split()) for label in labels))
    words = [word for word in labels[0].split() if word.lower() in common_words]
    label = " ".join(words)
    return label[:1].upper() + label[1:] or ", ".join(labels)


def shown_means(rows: pd.DataFrame) -> list[float]:
    """The means of rows of any metrics, in the units that are shown."""
    pairs = zip(rows["metric"], rows["mean"], strict=True)
    return [mean * METRICS[metric].scale for metric, mean in pairs]


def clamped_interval(
    metric: str, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The ends of an interval, in the units that are shown, within the range of the metric.

    An end at 0 is where a logarithmic axis ends. matplotlib draws the end there and does not let it
    move the axis.
    """
    if METRICS[metric].is_signed:
        return low, high
    upper_limit = 100 if METRICS[metric].is_percentage else np.inf
    return np.maximum(low, 0), np.minimum(high, upper_limit)


def panel_grid(
    rows: int, columns: int, panel_inches: float | None = None
) -> tuple[Figure, np.ndarray]:
    """A grid of axes; its width for two to five panels is two columns of a paper, 7.1 inches.

    `panel_inches`: height of a panel, where its content decides about it. Such panels have room for
    names at the left.
    """
    width = min(3.5 * columns + (1.2 if panel_inches else 0), max(7.1, MIN_PANEL_INCHES * columns))
    height = 0.6 + rows * (panel_inches or max(1.7, 2.3 - 0.2 * rows))
    return pyplot.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained"
    )


def empty_figure(lines: list[str]) -> Figure:
    """A figure without a panel, which says in small type why."""
    figure, axes = panel_grid(1, 1)
    axes[0, 0].set_axis_off()
    footnote(figure, lines)
    return figure


def label_outer(axes: np.ndarray, by_row: bool) -> None:
    """Keep the x label of the lowest panel of each column and, `by_row`, the first y label."""
    for column in axes.T:
        for axis in _visible(column)[:-1]:
            axis.set_xlabel("")
    for row in axes if by_row else ():
        for axis in _visible(row)[1:]:
            axis.set_ylabel("")


def label_rows(axes: np.ndarray) -> None:
    """Keep the names of rows beside the first panel of each row."""
    for row in axes:
        for axis in _visible(row)[1:]:
            axis.set_ylabel("")
            axis.set_yticklabels([])


def _visible(axes: Iterable[Axes]) -> list[Axes]:
    """The axes of panels that exist; the others fill the grid."""
    return [axis for axis in axes if axis.get_visible()]


def footnote(figure: Figure, lines: list[str]) -> None:
    """Small type below the panels, as wide as the figure."""
    width = int(17 * figure.get_figwidth())
    wrapped_lines = [part for line in lines for part in textwrap.wrap(line, width)]
    figure.supxlabel("\n".join(wrapped_lines), fontsize=6.5, color="0.35")


def line_styles(
    shades: Mapping[str, str | None], methods: Mapping[str, str] = MappingProxyType({})
) -> dict[str, dict]:
    """Colour, marker and dashes of each line; controls of one trainer always look the same.

    Lines that share a colour differ by the dashes of their method. Of each method of METHOD_ORDER
    one line looks the same in every figure: that of its defaults, if there is one.

    Args:
        shades: what the colour of each line stands for; None where it stands for the line itself.
        methods: the method of each line.
    """
    kinds = {name: name.partition("@")[0] for name, shade in shades.items() if shade is None}
    controls = {name for name in kinds if _has_control_style(name, kinds)}
    line_shades = {name: shade or name for name, shade in shades.items() if name not in controls}
    numbers = _palette_numbers(line_shades, kinds, methods)
    styles = {}
    method_counts = dict.fromkeys(numbers.values(), 0)
    for name in shades:
        if name in controls:
            styles[name] = CONTROL_STYLES[kinds[name]]
            continue
        number = numbers[name]
        turn = number // len(PALETTE)
        styles[name] = {
            "color": PALETTE[number % len(PALETTE)],
            "marker": MARKERS[(number + turn) % len(MARKERS)],
            "linestyle": ("-", "-.")[(turn + method_counts[number]) % 2],
        }
        method = name.rpartition(", ")[2].partition("@")[0]
        if method in CONTROL_STYLES:
            styles[name]["linestyle"] = CONTROL_STYLES[method]["linestyle"]
        else:
            method_counts[number] += 1
    return styles


def _has_control_style(name: str, kinds: Mapping[str, str]) -> bool:
    """Whether a line is that of a control: of the standard trainer, or of the only trainer."""
    kind = kinds[name]
    is_alone = name == kind or list(kinds.values()).count(kind) == 1
    return kind in CONTROL_STYLES and is_alone


def _palette_numbers(
    shades: Mapping[str, str], shadeless_lines: Collection[str], methods: Mapping[str, str]
) -> dict[str, int]:
    """A number of the palette for each line: that of its method, or the next free one.

    `shadeless_lines`: the lines whose colour stands for themselves.
    """
    numbers: dict[str, int] = {}
    for name in sorted(shades, key=lambda name: name != methods.get(name)):  # defaults first
        method = methods.get(name)
        if name in shadeless_lines and method in METHOD_ORDER:
            number = METHOD_ORDER.index(method)
            if number not in numbers.values():
                numbers[shades[name]] = number
    methodless_numbers = range(len(METHOD_ORDER), len(PALETTE)) if numbers else ()
    candidates = itertools.chain(methodless_numbers, itertools.count())
    free_numbers = (number for number in candidates if number not in numbers.values())
    for shade in shades.values():
        if shade not in numbers:
            numbers[shade] = next(free_numbers)
    return {name: numbers[shade] for name, shade in shades.items()}


def save(figure: Figure, path: Path, kind: str) -> None:
    """Write without dates and versions, so that equal figures are equal files."""
    metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    dots = min(DOTS_PER_INCH, MAX_PIXELS / max(figure.get_size_inches()))
    figure.savefig(path, format=kind, dpi=dots, metadata=metadata)
