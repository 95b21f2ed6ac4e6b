"""Rule `noised`: a data set whose training images carry noise."""

import argparse
import json
from pathlib import Path

from scripts import command
from unlearn.data.dataset import load, save
from unlearn.perturbations.noisy_images import with_noise
from unlearn.storage.files import digest, read_array, read_json


def main(arguments: argparse.Namespace) -> None:
    """Add the noise to the share of the images that is to carry it."""
    dataset = load(Path(arguments.dataset).parent)
    folder = Path(arguments.noise).parent
    record = read_json(folder / "noise.json")
    noise = read_array(folder / "noise.npy")
    if record["dataset"] != dataset.fingerprint:
        raise command.CommandError(f"{arguments.noise}: made for another data set; delete it")
    if record["sha256"] != digest(noise):
        raise command.CommandError(f"{arguments.noise}: noise.npy beside it is not of this noise")
    share = json.loads(arguments.share)
    save(with_noise(dataset, noise, record | share), Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.CommandParser(__doc__)
    parser.add_argument("--dataset", required=True, help="record.json of the images")
    parser.add_argument("--noise", required=True, help="record.json of the noise")
    parser.add_parameter("share", help="JSON: share, seed")
    parser.add_output("output", "dataset.json")
    parser.add_output("arrays", "its arrays, npy", nargs="+")
    command.run(main, parser)
