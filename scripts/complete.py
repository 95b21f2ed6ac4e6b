"""Rule `complete`: an error if a method failed, so that nobody overlooks it.

The artefacts of what failed are removed: the next call tries it again.
"""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.storage.files import check_unchanged, read_costs, write_json


def main(arguments: argparse.Namespace) -> None:
    """Count what went well, name and remove what did not."""
    check_unchanged(arguments.report)
    errors = {}
    costs = command.file_list(json.loads(arguments.job), arguments.results)
    for path in map(Path, costs):
        record = read_costs(path)
        if record["status"] == "failed":
            errors[path.parent] = record["error"]
    for folder in errors:
        for path in folder.iterdir():
            target = path.resolve()  # an entry of the between-workflow cache is a link
            path.unlink()
            target.unlink(missing_ok=True)
    if errors:
        lines = [f"  {folder}: {error}" for folder, error in errors.items()]
        raise command.CommandError(
            f"{len(errors)} of {len(costs)} fleets failed; tables, figures and report "
            "show them as failed, the next call tries them again:\n" + "\n".join(lines)
        )
    write_json(arguments.output, {"fleets": len(costs), "failed": 0})


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_job("what unlearn.study.grid.files lists")
    parser.add_results()
    parser.add_argument("--report", required=True, help="report.html")
    parser.add_output("output", "the number of fleets, json")
    command.run(main, parser)
