"""Rule `complete`: an error if a method failed, so that nobody overlooks it.

The artefacts of what failed are removed: the next call tries it again.
"""

from pathlib import Path

from scripts import command
from unlearn.storage.files import read_json, write_json


def main(arguments):
    """Count what went well, name and remove what did not."""
    failed = {}
    costs = command.listed(arguments.costs, arguments.results)
    for path in map(Path, costs):
        record = read_json(path)
        if record["status"] == "failed":
            failed[path.parent] = record["error"]
    for folder in failed:
        for path in folder.iterdir():
            target = path.resolve()  # an entry of the between-workflow cache is a link
            path.unlink()
            target.unlink(missing_ok=True)
    if failed:
        lines = [f"  {folder}: {error}" for folder, error in failed.items()]
        raise command.CommandError(
            f"{len(failed)} of {len(costs)} fleets failed; tables, figures and report "
            "show them as failed, the next call tries them again:\n" + "\n".join(lines)
        )
    write_json(arguments.output, {"fleets": len(costs), "failed": 0})


if __name__ == "__main__":
    parser = command.parser(__doc__)
    command.add_listed(parser, "--costs")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
