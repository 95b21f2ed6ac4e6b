"""Rule `summary`: the wide table of one experiment, for spreadsheets, pages and papers."""

import argparse
import json

from scripts import command
from unlearn.evaluation import tables, wide_tables
from unlearn.storage.files import read_text, write_text


def main(arguments: argparse.Namespace) -> None:
    """Write numbers as CSV, `mean ± half of the interval` as Markdown and LaTeX."""
    job = json.loads(arguments.job)
    table = tables.parse(read_text(arguments.table))
    table = table[~table["variant"].isin(job["hidden"])]
    numbers = wide_tables.wide_numbers(table, job["columns"])
    write_text(arguments.csv, numbers.to_csv(index=False, lineterminator="\n"))
    text = wide_tables.wide_text(table, job["columns"])
    write_text(arguments.markdown, text.to_markdown(index=False, disable_numparse=True))
    latex = text.to_latex(index=False, escape=True).replace("±", r"$\pm$")
    write_text(arguments.latex, latex)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--table", required=True)
    parser.add_job("columns, as kl/forget; hidden variants")
    parser.add_output("csv", "the table")
    parser.add_output("markdown", "the table")
    parser.add_output("latex", "the table")
    command.run(main, parser)
