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
    record = read_json(arguments.noise)
    noise = read_array(Path(arguments.noise).with_suffix(".npy"))
    if record["dataset"] != dataset.fingerprint:
        raise command.CommandError(f"{arguments.noise}: made for another data set; delete it")
    if record["sha256"] != digest(noise):
        raise command.CommandError(f"{arguments.noise}: noise.npy beside it is not of this noise")
    share = json.loads(arguments.share)
    save(with_noise(dataset, noise, record | share), Path(arguments.output).parent)


if __name__ == "__main__":
    parser = command.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="dataset.json of the images")
    parser.add_argument("--noise", required=True, help="noise.json")
    parser.add_argument("--share", required=True, help="JSON: share, seed")
    parser.add_argument("--output", required=True, help="dataset.json")
    command.run(main, parser)
