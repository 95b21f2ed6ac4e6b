"""Rule `summary`: the wide table of one experiment, for spreadsheets, pages and papers."""

import argparse
from pathlib import Path

from scripts import command
from unlearn.evaluation import tables, wide_tables
from unlearn.storage.files import write_text


def main(arguments: argparse.Namespace) -> None:
    """Write numbers as CSV, `mean ± half of the interval` as Markdown and LaTeX."""
    job = command.job(arguments.job)
    table = tables.parse(Path(arguments.table).read_text(encoding="utf-8"))
    table = table[~table["variant"].isin(job["hidden"])]
    numbers = wide_tables.wide_numbers(table, job["columns"])
    write_text(arguments.csv, numbers.to_csv(index=False, lineterminator="\n"))
    text = wide_tables.wide_text(table, job["columns"])
    write_text(arguments.markdown, text.to_markdown(index=False, disable_numparse=True))
    latex = text.to_latex(index=False, escape=True).replace("±", r"$\pm$")
    write_text(arguments.latex, latex)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--table", required=True)
    command.add_job(parser, "columns, as kl/forget; hidden variants")
    parser.add_argument("--csv", required=True, help="output")
    parser.add_argument("--markdown", required=True, help="output")
    parser.add_argument("--latex", required=True, help="output")
    command.run(main, parser)
