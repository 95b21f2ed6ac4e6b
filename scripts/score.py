"""Rule `score`: the scores of one cell, from logits, weights and costs."""

import csv
import io
import json
from pathlib import Path

from scripts import command
from unlearn.data import dataset
from unlearn.evaluation import score
from unlearn.storage.files import CURE, ArtifactError, digest, read_array, read_json, write_text
from unlearn.storage.fleet import Fleet
from unlearn.storage.request import read_request, request_digest

COLUMNS = (*score.CELL, "seed", "metric", "split", "value")


def main(arguments):
    """Write the tidy rows of the cell."""
    data = dataset.load(Path(arguments.dataset).parent)
    request = read_request(arguments.request, data.description["sha256"])
    steps = list(request.steps(len(data.train_labels), data.base_ids))
    job = json.loads(arguments.job)
    cell = job["cell"]
    changed = {step.index: len(step.forget_ids) + len(step.added_ids) for step in steps}
    cell.setdefault("rate", changed[len(steps)] / len(data.base_ids))
    learned = read_json(arguments.trained)
    weights = Path(arguments.trained).with_name("trained.safetensors")
    original = Fleet(weights, {"dataset": data.description["sha256"]})
    served = original.identity | {"request": request_digest(request)}
    others = dict(zip(job["references"], arguments.references, strict=True))
    compared = [*filter(None, [arguments.oracle]), *others.values()]
    _check_machines(arguments.trained, arguments.unlearned, *compared)
    of_oracle = {name: value for name, value in served.items() if name != "trainer"}
    model = _fleet(arguments.unlearned, served)
    oracle = model if arguments.oracle == arguments.unlearned else None
    if arguments.oracle and oracle is None:
        oracle = _fleet(arguments.oracle, of_oracle)
    rows = score.score(
        score.Points(
            data.evaluated_ids(request), data.sample_ids, data.train_labels, data.test_labels
        ),
        steps,
        learned["seeds"],
        model,
        oracle,
        original,
        [model | _noise_costs(data) for model in learned["models"]],
        {name: _fleet(path, served) for name, path in others.items()},
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step, seed, metric, split, value in rows:
        cell |= {"step": step, "points": changed[step], "seed": seed}
        cell |= {"metric": metric, "split": split}
        writer.writerow([*(cell[c] for c in COLUMNS[:-1]), "" if value is None else repr(value)])
    write_text(arguments.output, table.getvalue())


def _noise_costs(data: dataset.Dataset) -> dict:
    """What making the noise of the images took, as a part of learning."""
    made = data.description.get("noise") if len(data.noised_ids) else None
    made = made or {}
    return {f"noise_{name}": made[name] for name in score.OF_NOISE if name in made}


def _check_machines(*paths: str) -> None:
    """CommandError unless all fleets come from the same kind of device and arithmetic."""
    found = {}
    for path in paths:
        machine = read_json(path)["machine"]
        if machine:  # a failed fleet has none
            found[machine["device"], machine["precision"]] = path
    if len(found) > 1:
        kinds = "; ".join(f"{path}: {', '.join(kind)}" for kind, path in found.items())
        raise command.CommandError(
            f"results of different arithmetic cannot be compared ({kinds}); set `device` and "
            "`precision` in the study"
        )


def _fleet(path: str, origin: dict[str, str]) -> score.Fleet | None:
    """The fleet that `costs.json` belongs to; None if it failed.

    ArtifactError if the weights are of another origin or the logits are not those recorded.
    """
    costs = read_json(path)
    if costs["status"] == "failed":
        return None
    weights = Fleet(Path(path).with_name("unlearned.safetensors"), origin)
    logits = read_array(Path(path).with_name("logits.npy"))
    votes = read_array(Path(path).with_name("votes.npy"))
    if digest(logits, votes) != costs["outputs_sha256"]:
        raise ArtifactError(
            f"{path}: logits.npy and votes.npy beside it are not of this fleet; {CURE}"
        )
    return score.Fleet(
        logits=logits,
        votes=votes,
        weights=lambda k, t: {name: weights[k][name][t] for name in costs["weights"]},
        names=costs["weights"],
        costs=costs["models"],
    )


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json")
    parser.add_argument("--request", required=True, help="request.npz")
    parser.add_argument("--trained", required=True, help="costs.json before the request")
    parser.add_argument("--unlearned", required=True, help="costs.json after it")
    parser.add_argument("--oracle", nargs="?", help="costs.json of the oracle, if there is one")
    parser.add_argument("--references", nargs="*", default=[], help="costs.json of other fleets")
    parser.add_argument("--job", required=True, help="JSON: columns of the cell, names of those")
    parser.add_argument("--output", required=True)
    command.run(main, parser)
