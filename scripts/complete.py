"""Rule `complete`: an error if a method failed, so that nobody overlooks it.

The artefacts of what failed are removed: the next call tries it again.
"""

import argparse
from pathlib import Path

from scripts import command
from unlearn.storage.files import read_json, write_json


def main(arguments: argparse.Namespace) -> None:
    """Count what went well, name and remove what did not."""
    errors = {}
    costs = command.file_list(command.job(arguments.job), arguments.results)
    for path in map(Path, costs):
        record = read_json(path)
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
    parser = command.parser(__doc__)
    command.add_job(parser, "what unlearn.study.grid.files lists")
    parser.add_argument("--results", required=True, help="folder of the study's results")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
