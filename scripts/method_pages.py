"""A page for every method, generated from its class: idea, formula, claims, parameters, references.

python -m scripts.method_pages [--output docs/methods]
"""

import argparse
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from scripts.reference import parameter_table
from unlearn.core import parameters, registry
from unlearn.core.guarantee import Guarantee
from unlearn.core.setting import Setting
from unlearn.methods.base import Method
from unlearn.report.figures._labels import capitalised

FOLDER = Path("docs/methods")

MARK = "<!-- made by `python -m scripts.method_pages` from the class of the method -->"

SECTIONS = ("Cost", "Pitfalls", "References")
"""The sections of a method's docstring, in their order."""

GROUPS = (
    "Controls",
    "Methods whose models are trained for them",
    "Methods that need no deleted point",
    "Methods that read deleted and retained points",
    "Methods that read deleted points alone",
)
"""The parts of the index."""

LONGER_PAGES = {
    "sisa": "sisa.md",
    "deltagrad": "deltagrad.md",
    "influence_distillation": "distillation.md",
    "error_minimizing_noise": "noise.md",
    "naive_finetuning": "distillation.md",
    "noise_start": "noisy_finetuning.md",
    "noisy_finetuning": "noisy_finetuning.md",
    "retrain": "concepts.md",
    "langevin": "certified.md",
    "descent_to_delete": "certified.md",
    "rewind": "certified.md",
}
"""Methods with more to read, in the folder above."""

INDEX_HEAD = f"""\
{MARK}
# The methods

One page for each, made from its file in `unlearn/methods/`.
All of them run beside `original` (doing nothing) and `retrain` (the oracle).
Those with a search space can be [tuned](../tuning.md) with equal budgets.
In formulas D_r and D_f are the points that are left and those that are deleted, |D_r| and |D_f|
their numbers, E the epochs, CE the mean cross-entropy and C the number of classes.
"""

TABLE_HEAD = """\
| method | idea | reads | serves | guarantee | searched |
| --- | --- | --- | --- | --- | --- |"""


def pages() -> dict[str, str]:
    """The text of every page, by the name of its file."""
    names = registry.names("methods")
    texts = {f"{name}.md": page(name) for name in names}
    lines = [INDEX_HEAD]
    for title in GROUPS:
        group = [name for name in names if _group(registry.find("methods", name)) == title]
        lines += [f"## {title}", "", TABLE_HEAD, *map(_index_row, group), ""]
    return texts | {"README.md": "\n".join(lines)}


def _group(method: type[Method]) -> str:
    """The part of the index that a method belongs to."""
    if method.is_control:
        return GROUPS[0]
    if method.trainer not in (None, "standard"):
        return GROUPS[1]
    if "forget" not in method.reads:
        return GROUPS[2]
    return GROUPS[3] if "retain" in method.reads else GROUPS[4]


def page(name: str) -> str:
    """The page of one method, in Markdown."""
    method = registry.find("methods", name)
    body, sections = split(inspect.getdoc(method) or "")
    lines = [MARK, f"# {label(name)}: `{name}`", "", body, "", *_claims(method)]
    if name in LONGER_PAGES:
        lines += ["", f"More: [{LONGER_PAGES[name]}](../{LONGER_PAGES[name]})."]
    if parameters.fields(method):
        lines += ["", "## Parameters", "", *parameter_table(method)]
    if searched(method):
        lines += ["", "[Tuning](../tuning.md) searches:", "", *_search_spaces(method)]
    for title in SECTIONS:
        if title in sections:
            lines += ["", f"## {title}", "", sections[title]]
    return "\n".join(lines) + "\n"


def label(name: str) -> str:
    """The label of a method, with a capital."""
    return capitalised(registry.find("methods", name).label or name.replace("_", " "))


def split(docstring: str) -> tuple[str, dict[str, str]]:
    """The text of a docstring before its sections, and the text of each section."""
    titles = "|".join(SECTIONS)
    body, *rest = re.split(rf"^({titles}):\n", docstring, flags=re.MULTILINE)
    sections = {
        title: inspect.cleandoc("\n" + text)
        for title, text in zip(rest[::2], rest[1::2], strict=True)
    }
    return body.strip(), sections


def searched(method: type[Method]) -> list[str]:
    """The parameters of a method that have a search space."""
    fields = parameters.fields(method)
    return [name for name, field in fields.items() if field.limits.search is not None]


def _search_spaces(method: type[Method]) -> Iterator[str]:
    """The search space of every parameter that has one, as a list."""
    fields = parameters.fields(method)
    for name in searched(method):
        kind, *span = fields[name].limits.search
        if kind == "choice":
            (options,) = span
            yield f"- `{name}`: one of {', '.join(map(str, options))}."
        else:
            low, high = (f"{end:g}" for end in span)
            yield f"- `{name}`: from {low} to {high}" + (", logarithmic." if kind == "log" else ".")


def _claims(method: type[Method]) -> Iterator[str]:
    """What a method declares, as a list."""
    guarantee = _guarantee(method)
    reason = f" ({guarantee.reason})" if guarantee.reason else ""
    yield f"- **Reads**: {_reads(method)}."
    yield f"- **Guarantee**: {guarantee.level}{reason}."
    yield f"- **Serves**: requests to {' and to '.join(method.serves)} points."
    if method.trainer not in (None, "standard"):
        yield f"- **Unlearns** models of the trainer `{method.trainer}`."
    if method.images_only:
        yield "- **Data**: images, no features."
    if not method.changes_weights:
        yield "- **Weights**: stay as they are."


def _reads(method: type[Method]) -> str:
    """The splits that a method looks at, in words."""
    order = ("forget", "retain", "validation")
    return ", ".join(split for split in order if split in method.reads) or "nothing"


def _guarantee(method: type[Method]) -> Guarantee:
    """What a method promises at its defaults, with its own trainer."""
    trainer = registry.find("trainers", method.trainer or "standard")()
    return method().guarantee_for(Setting(trainer=trainer, method=method()))


def _index_row(name: str) -> str:
    """The row of a method in the index."""
    method = registry.find("methods", name)
    idea = re.split(r"(?<=\.) ", parameters.summary(method))[0].rstrip(".")
    cells = (
        f"[{label(name)}]({name}.md) (`{name}`)",
        idea.replace("|", r"\|"),
        _reads(method),
        ", ".join(method.serves),
        _guarantee(method).level,
        ", ".join(f"`{parameter}`" for parameter in searched(method)),
    )
    return f"| {' | '.join(cells)} |"


def write(folder: Path) -> None:
    """Write all pages, and remove those of methods that there are no more."""
    folder.mkdir(parents=True, exist_ok=True)
    texts: Mapping[str, str] = pages()
    for path in folder.glob("*.md"):
        if path.name not in texts and path.read_text(encoding="utf-8").startswith(MARK):
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=FOLDER)
    write(parser.parse_args().output)


if __name__ == "__main__":
    main()
