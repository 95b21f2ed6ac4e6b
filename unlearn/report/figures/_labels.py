"""Names as readers know them: `sisa-shards=20` is SISA, 20 shards."""

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from unlearn.metrics.catalogue import METRICS
from unlearn.requests.base import PILOT_DRAW

PARAMETER = re.compile(r"-(?=[A-Za-z_][\w.]*=)")
"""The dash before a parameter in a canonical name; numbers can have dashes, too."""

NAME_LABELS = {
    "retrain": "retrained",
    "original": "doing nothing",
    "finetune": "fine-tuning",
    "naive_finetuning": "naive fine-tuning",
    "noisy_finetuning": "noisy fine-tuning",
    "error_minimizing_noise": "error-minimising noise",
    "neggrad_plus": "NegGrad+",
    "salun_soft": "SalUn-soft",
    "scrub_rewind": "SCRUB+R",
    "cf_k": "CF-k",
    "eu_k": "EU-k",
    "l1_sparse": "l1-sparse",
    "newton_step": "Newton step",
    "bn_only": "batch normalisation only",
    "fine_tuning": "fine-tuning",
    "ascent": "gradient ascent",
    "label_swap": "exchanged labels",
    "memorised": "most memorised points",
    "cnn1": "CNN of one layer",
    "cnn2": "CNN of two layers",
    "convnet": "CNN",
    "logistic": "logistic regression",
    "random": "random points",
}
"""Labels of whole names of methods, data sets, models and requests."""

WORD_LABELS = {
    "auc": "AUC",
    "amun": "AMUN",
    "cfw": "CFW",
    "ct": "CT",
    "delete": "DELETE",
    "dmm": "DMM",
    "fcs": "FCS",
    "fisher": "Fisher",
    "iu": "IU",
    "kde": "KDE",
    "lfssd": "LFSSD",
    "lotus": "LoTUS",
    "msg": "MSG",
    "prmq": "PRMQ",
    "rni": "RNI",
    "rum": "RUM",
    "salun": "SalUn",
    "scrub": "SCRUB",
    "sfron": "SFRon",
    "ssd": "SSD",
    "unsir": "UNSIR",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "deltagrad": "DeltaGrad",
    "js": "Jensen-Shannon",
    "kl": "KL",
    "klom": "KLoM",
    "kmeans": "k-means",
    "minimizing": "minimising",
    "l2": "L2 distance",
    "mlp": "MLP",
    "mnist": "MNIST",
    "resnet9": "ResNet-9",
    "resnet18": "ResNet-18",
    "rmia": "RMIA",
    "sisa": "SISA",
    "ulira": "U-LiRA",
}
"""Labels of words in all other names, those of metrics included."""

PARAMETER_LABELS = {
    "lr": "learning rate {}",
    "seed": "draw {}",
    "label": "class {}",
    "count": "{} points",
    **{name: f"{{}} {name}" for name in ("shards", "epochs", "slices", "steps")},
}
"""Labels of parameters; the others are named before their value."""

EXACT_LABELS = {
    "tuned=true": "tuned",
    "tuned=oracle": "tuned by oracles",
    f"seed={PILOT_DRAW}": "pilot draw",
}
"""Labels of parameters with these values."""

SHAM_DEFAULT = "finetune"
"""The method whose change `sham` copies in size where its name does not say which."""

GERUND_LABELS = {"retrain": "retraining"}
"""Labels of methods behind "of", where they differ from those of rows."""

SPLIT_LABELS = {
    "forget": "deleted points",
    "retain": "kept points",
    "added": "added points",
    "test": "test points",
    "weights": "",
    "learn": "training",
}

GUARANTEE_SYMBOLS = {"exact": "●", "conditional": "◐", "certified": "◆", "approximate": "○"}
"""Symbols of guarantees; a method that promises nothing has none."""


def distinct_parts(names: Iterable[str]) -> list[list[str]]:
    """Head and parameters of each name, but for what all names with the same head share.

    The method that a sham is of always stays.
    """
    parts_by_name = [PARAMETER.split(str(name)) for name in names]
    parameters_by_head: dict[str, list[set]] = {}
    for head, *parameters in parts_by_name:
        parameters_by_head.setdefault(head, []).append(set(parameters))
    common_parameters = {
        head: set.intersection(*sets) if len(sets) > 1 else set()
        for head, sets in parameters_by_head.items()
    }
    return [
        [head, *(p for p in parameters if p not in common_parameters[head] or _is_of(head, p))]
        for head, *parameters in parts_by_name
    ]


def variant_labels(names: Sequence[str]) -> dict[str, str]:
    """The label of each variant; those that would share one keep their names."""
    labels = [capitalised(_parts_label(parts)) for parts in distinct_parts(names)]
    counts = Counter(labels)
    pairs = zip(names, labels, strict=True)
    return {name: label if counts[label] == 1 else str(name) for name, label in pairs}


def part_label(name: str) -> str:
    """The label of a data set, model or request, without a capital of its own."""
    return _parts_label(PARAMETER.split(str(name)))


def metric_label(metric: str, split: str) -> str:
    """A metric on a split, as the title of a panel."""
    words = [_name_label(METRICS[metric].title.replace(" ", "_")), SPLIT_LABELS.get(split, split)]
    if METRICS[metric].splits == (split,):
        words.pop()
    return capitalised(", ".join(filter(None, words)))


def wrapped(label: str, letters: int) -> str:
    """A label in lines of so many letters."""
    return "\n".join(textwrap.wrap(label, letters)) or label


def _parts_label(parts: Sequence[str]) -> str:
    """Head and parameters in words; what is behind an @ is in brackets."""
    head, *parameters = parts
    method, _, trainer = head.partition("@")
    if trainer:
        return f"{_name_label(method)} ({_parts_label([trainer, *parameters])})"
    if head == "sham":
        return _sham_label(parameters)
    texts = [_parameter_label(parameter) for parameter in parameters]
    if head == "by_class" and texts:
        return ", ".join(texts)
    return ", ".join([_name_label(head), *texts])


def _is_of(head: str, parameter: str) -> bool:
    """Whether a parameter names the method that a sham is of."""
    return head == "sham" and parameter.startswith("of=")


def _sham_label(parameters: Sequence[str]) -> str:
    """A sham with the method that it is of; the other parameters are behind."""
    methods = [parameter.partition("=")[2] for parameter in parameters if _is_of("sham", parameter)]
    method = methods[0] if methods else SHAM_DEFAULT
    texts = [_parameter_label(p) for p in parameters if not _is_of("sham", p)]
    return ", ".join([f"sham of {GERUND_LABELS.get(method) or _name_label(method)}", *texts])


def _name_label(name: str) -> str:
    """The label of a name without parameters."""
    if name in NAME_LABELS:
        return NAME_LABELS[name]
    return " ".join(WORD_LABELS.get(word, word) for word in name.split("_"))


def _parameter_label(parameter: str) -> str:
    """The label of `name=value`."""
    name, _, value = parameter.partition("=")
    if parameter in EXACT_LABELS:
        return EXACT_LABELS[parameter]
    if name == "rate" and re.fullmatch(r"[\d.]+(e-?\d+)?", value):
        return f"{100 * float(value):g}\u00a0%"
    return PARAMETER_LABELS.get(name, name.replace("_", " ") + " {}").format(
        value.replace("_", " ")
    )


def capitalised(text: str) -> str:
    """The text with a capital; CIFAR-10 and DeltaGrad keep theirs."""
    return text[:1].upper() + text[1:]
