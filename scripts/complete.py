"""Rule `complete`: an error if a method failed or a cell is refused, so that nobody overlooks it.

The artefacts of what failed are removed: the next call tries it again. What a gate has refused
stays, because another try would give the same.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from scripts import command
from unlearn.storage.files import check_unchanged, read_costs, read_json, write_json


def main(arguments: argparse.Namespace) -> None:
    """Count what went well, name and remove what did not."""
    check_unchanged(arguments.report)
    errors = {}
    job = json.loads(arguments.job)
    costs = command.file_list(job["costs"], arguments.results)
    for path in map(Path, costs):
        record = read_costs(path)
        if record["status"] == "failed":
            errors[path.parent] = record["error"]
    for folder in errors:
        for path in folder.iterdir():
            target = path.resolve()  # an entry of the between-workflow cache is a link
            path.unlink()
            target.unlink(missing_ok=True)
    gates = command.file_list(job["gates"], arguments.results)
    reasons = {path: read_json(path)["refused"] for path in map(Path, gates)}
    refusals = {path.parent: "; ".join(texts) for path, texts in reasons.items() if texts}
    messages = []
    if errors:
        messages.append(
            f"{len(errors)} of {len(costs)} fleets failed; tables, figures and report "
            f"show them as failed, the next call tries them again:\n{_listing(errors)}"
        )
    if refusals:
        messages.append(
            f"{len(refusals)} of {len(gates)} cells are refused; tables, figures and report "
            f"show them without values:\n{_listing(refusals)}"
        )
    if messages:
        raise command.CommandError("\n".join(messages))
    write_json(arguments.output, {"fleets": len(costs), "failed": 0})


def _listing(reasons: Mapping[Path, str]) -> str:
    """A line for each folder, with what is wrong there."""
    return "\n".join(f"  {folder}: {reason}" for folder, reason in reasons.items())


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("costs and gates: what unlearn.study.grid.files lists")
    parser.add_results()
    parser.add_argument("--report", required=True, help="report.html")
    parser.add_output("output", "the number of fleets, json")
    command.run(main, parser)
