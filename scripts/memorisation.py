"""Rule `memorisation`: the scores of the points of base training, from scoring models."""

import argparse
from pathlib import Path

import numpy as np

from scripts import command
from unlearn.data.dataset import load
from unlearn.requests.scoring import point_scores
from unlearn.storage.files import read_costs, write_costs
from unlearn.storage.scores import PREDICTIONS, read_predictions, write_scores


def main(arguments: argparse.Namespace) -> None:
    """Join the predictions of all models, write the scores, and add up what the models took."""
    dataset = load(Path(arguments.dataset).parent)
    paths = [Path(path).with_name("predictions.npz") for path in arguments.scorers]
    fleets = [read_predictions(path, dataset.fingerprint) for path in paths]
    predictions = {
        name: np.concatenate([fleet[name] for fleet in fleets])
        for name in PREDICTIONS
        if name != "ids"
    }
    scores = point_scores(fleets[0]["ids"], **predictions)
    models = [
        model for path in paths for model in read_costs(path.with_name("costs.json"))["models"]
    ]
    if len(models) != int(arguments.models):
        raise command.CommandError(f"{len(models)} models have scored, not {arguments.models}")
    costs = {"models": len(models)}
    costs |= {name: sum(model[name] for model in models) for name in models[0]}
    write_scores(arguments.output, scores, dataset.fingerprint)
    write_costs(arguments.costs, costs)
    print(
        f"scores of {costs['models']} models: {costs['gradient_evaluations']:,} gradient "
        f"evaluations, {costs['wall_seconds']:.1f} s"
    )


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the data set")
    parser.add_argument("--scorers", nargs="+", required=True, help="record.json of each fleet")
    parser.add_parameter("models", help="the number of models")
    parser.add_output("output", "the scores of the points, npz")
    parser.add_output("costs", "what all models took, json", is_recorded=False)
    command.run(main, parser)
