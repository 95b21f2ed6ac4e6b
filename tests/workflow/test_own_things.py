"""The recipes of docs/own.md, followed to the letter."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.numpy import load_file

from tests.support.jobs import build
from tests.support.project import ROOT, SMALL
from unlearn.models.mlp import Mlp

pytestmark = pytest.mark.xdist_group("extending")

PAGE = (ROOT / "docs/own.md").read_text()
BLOCKS = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S)]
DATASETS = next(block["datasets"] for block in BLOCKS if "datasets" in block)
MODELS = next(block["models"] for block in BLOCKS if "models" in block)
REQUEST = next(block["request"] for block in BLOCKS if "request" in block)
EXTENSION = next(block for block in BLOCKS if "experiments" in block)


def study(**experiment):
    block = SMALL["experiments"]["accuracy"] | experiment
    return SMALL | {"datasets": DATASETS, "models": MODELS, "experiments": {"accuracy": block}}


def write_arrays(path, **change):
    digits = build("digits", subset=300)
    names = ("train_images", "train_labels", "test_images", "test_labels")
    np.savez(path, **{name: getattr(digits, name) for name in names} | change)


def write_images(folder, size=(8, 8)):
    digits = build("digits", subset=60)
    for split in ("train", "test"):
        images = getattr(digits, f"{split}_images")[:60, ..., 0]
        labels = getattr(digits, f"{split}_labels")[:60]
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / split / f"digit {label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).resize(size).save(path)


def network(seed=0):
    torch.manual_seed(seed)
    return Mlp(hidden=16).build((8, 8, 1), 10)


def test_a_served_model_forgets_a_list_of_points_of_arrays(project):
    """Own arrays, own checkpoint, own ids; each file that changes runs its jobs again."""
    write_arrays(project.root / "mine.npz")
    torch.save(network().state_dict(), project.root / "served.pt")
    (project.root / "deletions.txt").touch()
    project.write_study(study(dataset="mine", model="served", request=REQUEST, seeds=1))
    project.run("data/mine/dataset.json")
    places = np.load(project.results("data/mine/source_ids.npy"))[[3, 14, 15]]
    (project.root / "deletions.txt").write_text("{}\n{}\n\n{}\n".format(*places))
    project.run("scores.csv")
    scores = pd.read_csv(project.results("scores.csv"))
    assert set(scores["points"]) == {3}
    trained = load_file(next(project.results("trained/mine").rglob("trained.safetensors")))
    for name, tensor in network().state_dict().items():
        assert np.array_equal(trained[name][0], tensor.numpy())
    costs = scores.query("metric == 'gradient_evaluations' and split == 'learn'")["value"]
    assert (costs == 0).all()
    assert not [job for job in project.planned("results/tiny/scores.csv")]
    (project.root / "deletions.txt").write_text("{}\n{}\n".format(*places))
    assert "request ids-file=deletions.txt" in " ".join(project.planned("results/tiny/scores.csv"))
    project.run("scores.csv")
    torch.save(network(1).state_dict(), project.root / "served.pt")
    assert any(job.startswith("train") for job in project.planned("results/tiny/scores.csv"))


def test_a_folder_of_images(project):
    write_images(project.root / "pictures")
    project.write_study(
        study(dataset="pictures", model="mlp", request={"name": "random", "count": 5})
    )
    project.run("tables/accuracy.csv")
    arrays = project.results("data/pictures")
    assert np.load(arrays / "train_images.npy").shape == (60, 8, 8, 1)
    assert sorted(set(np.load(arrays / "train_labels.npy"))) == list(range(10))


def test_a_folder_of_arrays(project):
    write_arrays(project.root / "mine.npz")
    with np.load(project.root / "mine.npz") as file:
        for name in file.files:
            np.save(project.root / f"{name}.npy", file[name])
    data = {"mine": {"name": "arrays", "path": ".", "recipe": "quick"}}
    project.write_study(study(dataset="mine", model="mlp") | {"datasets": data})
    project.run("data/mine/dataset.json")
    assert np.load(project.results("data/mine/train_labels.npy")).shape == (300,)


def test_a_list_is_extended(project):
    shutil.copy(project.root / "study.yaml", project.root / "base.yaml")
    (project.root / "base.yaml").write_text(yaml.safe_dump(SMALL))
    (project.root / "more.yaml").write_text(yaml.safe_dump(EXTENSION))
    process = project.snakemake("-n", "--cores", "1", study=("base.yaml", "more.yaml"))
    for variant in ("finetune", "gradient_ascent"):
        assert f"variant={variant}" in process.stdout + process.stderr


def refused(project, message):
    process = project.snakemake("-n", check=False)
    assert process.returncode
    output = process.stdout + process.stderr
    assert "Traceback" not in output and message in output, output


def test_what_does_not_fit_is_refused_before_anything_runs(project):
    project.write_study(study(dataset="mine", model="mlp"))
    refused(project, "mine.npz: cannot be read as .npz")
    write_arrays(project.root / "mine.npz", train_images=np.zeros((300, 8, 8)))
    refused(project, "mine.npz: train_images: dtype float64 is not allowed; allowed: uint8")
    write_arrays(project.root / "mine.npz")
    project.write_study(study(dataset="mine", model="served", seeds=1))
    refused(project, "served: checkpoint served.pt: there is no file served.pt")
    torch.save(network().state_dict(), project.root / "served.pt")
    project.write_study(study(dataset="mine", model="served", seeds=2))
    refused(project, "is one model for 2 seeds; allowed: seeds: 1, or {seed} in the path")
    project.write_study(study(dataset="mine", model="served", method="sisa", seeds=1))
    refused(project, "is a model of the standard trainer, original@sisa needs one of sisa")
    project.write_study(study(dataset="mine", model="mlp", request=REQUEST))
    refused(project, "ids-file=deletions.txt: there is no file deletions.txt")
    project.write_study(study(dataset="mine", model="mlp", request={"name": "ids", "ids": [[300]]}))
    refused(project, "ids: 300 is not allowed; allowed: 0 to 299")
    project.write_study(study(dataset="pictures", model="mlp"))
    refused(project, "there is no such folder")


def test_files_that_are_broken_are_named(project):
    """A checkpoint of another architecture or with a pickle, a list that is none, odd images."""
    write_arrays(project.root / "mine.npz")
    (project.root / "deletions.txt").write_text("3\nfour\n")
    torch.save({"0.weight": torch.zeros(1)}, project.root / "served.pt")
    project.write_study(study(dataset="mine", model="served", request=REQUEST, seeds=1))
    process = project.snakemake("--cores", "1", "--keep-going", check=False)
    output = process.stdout + process.stderr
    assert "deletions.txt, line 2: 'four' is no id; allowed: 0, 1, 2, ..." in output
    assert "served.pt: is of another architecture" in output
    torch.save(network(), project.root / "served.pt")
    process = project.snakemake("--cores", "1", "--keep-going", check=False)
    assert "served.pt: cannot be read as a checkpoint" in process.stdout + process.stderr


def test_ids_are_places_in_the_user_s_own_arrays(project):
    """Though the validation split takes points away; one that is not trained on is refused."""
    write_arrays(project.root / "mine.npz")
    project.write_study(study(dataset="mine", model="mlp"))
    project.run("data/mine/dataset.json")
    places = np.load(project.results("data/mine/source_ids.npy"))
    assert len(places) == 200
    (project.root / "deletions.txt").write_text("\n".join(map(str, places[[5, 60]])))
    project.write_study(study(dataset="mine", model="mlp", request=REQUEST))
    project.run("requests/mine/ids-file=deletions.txt/request.npz")
    with np.load(project.results("requests/mine/ids-file=deletions.txt/request.npz")) as request:
        assert list(request["delete_0"]) == [5, 60]
    absent = np.setdiff1d(np.arange(300), places)[0]
    (project.root / "deletions.txt").write_text(f"{absent}\n")
    path = "requests/mine/ids-file=deletions.txt/request.npz"
    done = project.run(path, check=False)
    assert (
        f"point {absent} of the source is not among the training points"
        in done.stdout + done.stderr
    )


def test_images_that_would_lose_something_are_refused(project):
    write_images(project.root / "pictures")
    first = sorted((project.root / "pictures/train").rglob("*.png"))[0]
    Image.fromarray(np.full((8, 8), 60000, np.uint16)).save(first)
    project.write_study(study(dataset="pictures", model="mlp"))
    refused(project, "allowed: grey and colour images of 8 bits without transparency")


def test_a_number_is_no_list_to_extend(project):
    project.write_study(SMALL | {"seeds+": [7, 8]})
    refused(project, "seeds: 2 is a number, not a list")
