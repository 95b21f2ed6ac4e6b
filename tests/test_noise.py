"""Noise on images: bounds, descent, closed forms, data sets that carry it, the method."""

import itertools

import numpy as np
import pytest
import torch
import yaml
from conftest import TINY, job, task
from torch import nn
from torch.nn import functional

from unlearn import artifacts, dataset, jobs, noise, schema, seeding, study, training
from unlearn.requests import NOBODY, Request
from unlearn.task import state_of

torch.set_num_threads(1)


def described(kind="error_minimizing", **parameters):
    own = {"epsilon": 0.1, "batch_size": 32} if kind != "random" else {"epsilon": 0.1}
    if kind == "error_minimizing":
        own |= {"rounds": 6, "steps": 5, "stop_error": 0.02, "model": "cnn1"}
    if kind == "error_maximizing":
        own |= {"epochs": 4, "steps": 5, "model": "cnn1"}
    block = schema.with_defaults(own | parameters, schema.read("noises")[kind])
    return job("cnn1") | {"noise": {"kind": kind, "parameters": block}}


def made(digits, kind="error_minimizing", **parameters):
    return jobs.make_noise(digits, described(kind, **parameters))


KINDS = [
    ("error_minimizing", {}),
    ("error_minimizing", {"class_wise": True, "steps": 1}),
    ("error_minimizing", {"random_start": True, "step": 0.03}),
    ("error_maximizing", {}),
    ("random", {}),
    ("random", {"uniform": True, "class_wise": True}),
]


@pytest.mark.parametrize(("kind", "parameters"), KINDS, ids=str)
def test_noise_is_bounded_and_of_both_signs(digits, kind, parameters):
    values, record = made(digits, kind, **parameters)
    assert values.shape == digits.train_images.shape and values.dtype == np.int8
    assert record["largest"] == abs(values.astype(int)).max() <= 25  # 0.1 of 255
    noisy = digits.train_images.astype(int) + values
    assert noisy.min() >= 0 and noisy.max() <= 255
    assert not values[digits.held_out].any()
    inside = digits.train_images[digits.base] > 26
    own = values[digits.base][inside]
    assert (own < 0).mean() > 0.2 and (own > 0).any()
    again, other = made(digits, kind, **parameters)
    assert np.array_equal(again, values)
    assert {k: v for k, v in other.items() if k != "wall_seconds"} == {
        k: v for k, v in record.items() if k != "wall_seconds"
    }
    seeded, _ = made(digits, kind, **parameters, seed=1)
    assert not np.array_equal(seeded, values)


def test_noise_of_classes_is_one_for_each(digits):
    """On images of which no pixel is near an end of its range."""
    grey = (100 + digits.train_images / 8).astype(np.uint8)
    digits = dataset.Dataset(**vars(digits) | {"train_images": grey})
    for kind, more in (("error_minimizing", {"steps": 1}), ("random", {})):
        values, _ = made(digits, kind, class_wise=True, **more)
        found = []
        for label in range(10):
            ids = digits.base[digits.train_labels[digits.base] == label]
            spread = values[ids].astype(int) - values[ids[0]]
            assert values[ids[0]].any() and abs(spread).max() <= 1  # rounded with the image
            found.append(values[ids[0]].tobytes())
        assert len(set(found)) == 10


def test_the_search_ends_at_its_error_or_at_its_cap(digits):
    _, record = made(digits, rounds=40, epsilon=0.4)
    assert record["converged"] and record["error"] <= 0.02 and 1 <= record["rounds"] < 40
    values, record = made(digits, rounds=2, stop_error=0.0, epsilon=0.004)
    assert (record["converged"], record["rounds"]) == (False, 2)
    assert values.any()
    n = len(digits.base)
    trained = 2 * 10 * 32
    assert record["gradient_evaluations"] == 2 * 5 * n + trained
    assert record["forward_evaluations"] == 2 * n


def test_following_the_gradient_lowers_the_loss(digits):
    here = task(digits, model="cnn1")
    model = here.new_model(0)
    training.fit(here, model, digits.base, here.recipe | {"epochs": 3}, 0)
    model.eval()
    pixels, labels = here.data.train_images[:100], here.data.train_labels[:100]

    def losses(own):
        images = training.normalised(noise.noisy(pixels, own, 255), here.data)
        return functional.cross_entropy(model(images), labels, reduction="none").detach()

    before = {n: t.clone() for n, t in model.state_dict().items()}
    for uphill, sign in ((False, 1), (True, -1)):
        own = torch.zeros(pixels.shape)
        values = [losses(own)]
        for _ in range(5):
            noise.follow(
                here, model, pixels, labels, own, radius=20, step=2, steps=1, uphill=uphill
            )
            values.append(losses(own))
        falls = [sign * float((a - b).mean()) for a, b in itertools.pairwise(values)]
        assert all(fall > 0 for fall in falls)
        assert own.abs().max() <= 20
        images = training.normalised(noise.noisy(pixels, own, 255), here.data)
        direct = float((model(images).argmax(1) != labels).double().mean())
        assert noise.wrong(here, model, pixels, labels, own) == direct
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())


def linear(here, classes=10):
    torch.manual_seed(3)
    pixels = int(np.prod(here.data.shape))
    model = nn.Sequential(nn.Flatten(), nn.Linear(pixels, classes))
    return model.eval()


def test_one_long_step_of_a_linear_model_is_the_sign_of_its_gradient(digits):
    here = task(digits)
    model = linear(here)
    pixels, labels = here.data.train_images[:40], here.data.train_labels[:40]
    own = torch.zeros(pixels.shape)
    noise.follow(here, model, pixels, labels, own, radius=9, step=9, steps=1)
    images = training.normalised(pixels, here.data).requires_grad_(True)
    functional.cross_entropy(model(images), labels, reduction="sum").backward()
    expected = -9 * images.grad.sign().permute(0, 2, 3, 1)
    expected = (pixels + expected).clamp(0, 255) - pixels
    assert torch.equal(own, expected)


def test_the_best_noise_for_two_classes_is_found(digits):
    """epsilon sign(w_y - w_other), where pixels are away from the ends of their range."""
    here = task(digits)
    model = linear(here, 2)
    pixels = torch.full((30, *here.data.shape), 120, dtype=torch.uint8)
    labels = torch.arange(30) % 2
    own = torch.zeros(pixels.shape)
    noise.follow(here, model, pixels, labels, own, radius=10, step=1, steps=20)
    towards = (model[1].weight[1] - model[1].weight[0]).sign().view(*here.data.shape)
    sign = torch.where(labels == 1, 1.0, -1.0)[:, None, None, None]
    assert torch.equal(own, 10 * sign * towards[None])


def test_a_step_of_class_noise_is_the_mean_over_its_images(digits, monkeypatch):
    """Against a loop over images."""
    from unlearn.noises.error_minimizing import ErrorMinimizing

    parameters = described(class_wise=True, steps=2, class_share=1.0)["noise"]["parameters"]
    maker = ErrorMinimizing(**parameters)
    here = task(digits, model="cnn1")
    model = here.new_model(0).eval()
    ids = torch.arange(32)
    pixels, labels = here.data.train_images[ids], here.data.train_labels[ids]
    table = torch.randn(10, *here.data.shape)
    expected = table.clone()
    radius = 25.5
    for label in labels.unique():
        parts = []
        for i in torch.nonzero(labels == label)[:, 0]:
            own = table[label][None].clone()
            one = pixels[i : i + 1], labels[i : i + 1]
            noise.follow(here, model, *one, own, radius=radius, step=radius / 10, steps=2)
            parts.append(own[0])
        expected[label] = torch.stack(parts).mean(0).clamp(-radius, radius)
    maker._search_classes(here, model, pixels, labels, table, ids)
    # single images may be rounded otherwise in another batch: a sign flips where it is near 0
    assert ((table - expected).abs() < 1e-5).double().mean() > 0.99


def test_the_source_is_trained_on_noisy_images(digits, monkeypatch):
    """From the second round on: the search is a minimum over model and noise."""
    from unlearn.noises import error_minimizing
    from unlearn.objectives import Turns

    seen = []

    class Spy(error_minimizing.descent.__globals__["Descent"]):
        def step(self, images, labels, rate):
            seen.append(images)
            return super().step(images, labels, rate)

    monkeypatch.setattr(error_minimizing, "descent", Spy)
    how = described(rounds=2, training_steps=3, stop_error=0.0)
    jobs.make_noise(digits, how)
    here = task(digits, model="cnn1")
    turns = Turns(np.arange(len(digits.base)), 32, seeding.derive(0, "turns"))
    changes = []
    for images in seen:
        pixels = here.data.train_images[torch.from_numpy(digits.base[turns()])]
        clean = training.normalised(pixels, here.data)
        changes.append(float((images - clean).abs().max() / here.data.scale.max()))
    assert changes[:3] == [0, 0, 0] and all(5 < change < 25.6 for change in changes[3:])


def test_noisy_images_teach_less_than_randomly_noisy_ones():
    """A model that is trained on nothing else, by its accuracy on clean images."""
    from conftest import ROOT

    whole = dataset.build(
        "digits", ROOT, subset=None, subset_seed=0, held_out=0, held_out_seed=0, retain_sample=1
    )

    def accuracy(data):
        result = jobs.train(data, job("cnn1", seeds=(0, 1, 2), epochs=20, batch_size=64))
        right = result.logits[:, -len(data.test_labels) :].argmax(2) == data.test_labels
        return right.mean()

    def noisy(kind, **parameters):
        values, record = made(whole, kind, epsilon=0.376, **parameters)
        return dataset.with_noise(whole, values, record | {"share": 1, "seed": 0})

    clean, random = accuracy(whole), accuracy(noisy("random"))
    assert clean > 0.95 and random > clean - 0.08
    assert accuracy(noisy("error_minimizing", steps=10)) < random - 0.08
    assert accuracy(noisy("error_minimizing", class_wise=True)) < random - 0.08


def test_a_source_that_diverges_makes_no_noise(digits):
    with pytest.raises(
        ValueError, match=r"lr: 1e\+30 lets the source of the noise diverge in round 1"
    ):
        made(digits, lr=1e30)
    with pytest.raises(ValueError, match=r"lr: 1e\+30 lets the source .* diverge; allowed: less"):
        made(digits, "error_maximizing", lr=1e30)


def test_a_class_without_images_is_an_error(digits):
    zeros = digits.base[digits.train_labels[digits.base] == 0]
    outside = np.union1d(digits.held_out, zeros[1:])
    lonely = dataset.Dataset(**vars(digits) | {"held_out": outside})
    with pytest.raises(ValueError, match=r"class_share: 0\.2 leaves no image of class 0"):
        made(lonely, class_wise=True)


# -- data sets that carry noise --------------------------------------------------------------------


def test_shares_are_nested_and_of_every_class_alike(digits):
    values, record = made(digits, "random")
    sets = []
    for share in (0, 0.25, 0.5, 1):
        data = dataset.with_noise(digits, values, record | {"share": share, "seed": 4})
        sets.append(data.noised)
        changed = (data.train_images != digits.train_images).any((1, 2, 3))
        assert np.array_equal(np.flatnonzero(changed), data.noised)
        difference = data.train_images.astype(int) - digits.train_images
        assert np.array_equal(difference[data.noised], values[data.noised])
        assert np.array_equal(data.test_images, digits.test_images)
        assert (data.description["sha256"] == digits.description["sha256"]) is (share == 0)
    assert not len(sets[0]) and np.array_equal(sets[-1], digits.base)
    for small, large in itertools.pairwise(sets):
        assert np.isin(small, large).all()
    counts = np.bincount(digits.train_labels[sets[2]], minlength=10)
    assert (abs(counts - np.bincount(digits.train_labels[digits.base]) / 2) <= 0.5).all()


def test_a_share_between_none_and_all_leaves_both_kinds_in_every_class(digits):
    labels, ids = digits.train_labels, digits.base
    for share in (0.001, 0.02, 0.98, 0.999):
        some = dataset.noised(labels, ids, share, 0)
        for part in (some, np.setdiff1d(ids, some)):
            assert len(np.unique(labels[part])) == 10, share
    assert np.isin(dataset.noised(labels, ids, 0.001, 0), dataset.noised(labels, ids, 0.1, 0)).all()
    alone = np.array([3, 3, 7])  # a class of one point goes by rounding to none or all of it
    assert len(dataset.noised(alone, np.arange(3), 0.9, 0)) in (1, 2)


def test_noise_that_cannot_be_on_the_images_is_refused(digits):
    values, record = made(digits, "random")
    about = record | {"share": 1, "seed": 0}
    for change, message in ((2 * values, "noise of 50 of 255; its epsilon allows 25"),):
        with pytest.raises(artifacts.ArtifactError, match=message):
            dataset.with_noise(digits, change.astype(np.int8), about)
    dark = values.copy()
    dark[digits.train_images == 0] = -1
    with pytest.raises(artifacts.ArtifactError, match=r"out of 0\.\.255"):
        dataset.with_noise(digits, dark, about)


def config(experiment=None, **data):
    found = yaml.safe_load(yaml.safe_dump(TINY))
    found["noises"] = {"quick": {"name": "error_minimizing", "model": "cnn1", "rounds": 2}}
    found["noises"]["quick"] |= {"epsilon": 0.1, "steps": 3, "training_steps": 3}
    noised = {"name": "digits", "noise": "quick", "noised": [0, 0.5, 1]}
    found["experiments"]["accuracy"] |= {
        "dataset": noised | data,
        "method": "original",
        "request": "noised",
        "figure": {"x": "dataset.noised", "y": "accuracy/test"},
    } | (experiment or {})
    return found


def test_a_study_of_shares(project):
    import pandas as pd

    from unlearn.figures import lines

    plan = config(noise=["quick", {"name": "random", "epsilon": 0.1}])
    plan["experiments"]["accuracy"]["figure"]["facet"] = "dataset.noise"
    plan["pictures"] = {"examples": {"dataset": {"name": "digits", "noise": "quick"}, "classes": 3}}
    project.write_study(plan)
    jobs_ = project.planned()
    assert (jobs_.count("noise"), jobs_.count("noised")) == (1, 1)  # names hide their number
    project.run()
    folder = project.results()
    assert len(list(folder.glob("noise/*/*/noise.json"))) == 2
    table = pd.read_csv(folder / "tables/accuracy.csv")
    of = table.set_index(["dataset.noise", "dataset.noised", "method"])["mean"]
    assert ("quick", 1.0, "retrain") not in of.index and ("quick", 1.0, "original") in of.index
    assert (
        of["quick", 0, "original"]
        == of["quick", 0, "retrain"]
        == of["random-epsilon=0.1", 0, "original"]
    )
    assert of["quick", 0.5, "retrain"] == of["random-epsilon=0.1", 0.5, "retrain"]
    searched = (table["dataset.noise"] == "quick") & (table["dataset.noised"] > 0)
    assert (table.loc[searched, "unconverged"] == 2).all()
    assert (table.loc[~searched, "unconverged"] == 0).all()
    assert "noise did NOT CONVERGE, kept: digits-noise=quick" in lines.notes(table)[-1]
    pixels = pd.read_csv(folder / "tables/examples.csv").pivot_table(
        index=["label", "point", "row", "column", "channel"], columns="image", values="value"
    )
    assert (pixels["clean"] + pixels["noise"] == pixels["noisy"]).all()
    assert pixels["noise"].abs().max() <= 25 and len(pixels) == 3 * 64
    assert (folder / "figures/examples.png").stat().st_size > 1000
    assert project.planned() == []
    project.edit("unlearn/noises/random.py", "radius * (drawn", "-radius * (drawn")
    again = project.planned()
    assert "noise" in again and "noised" in again and "data" not in again
    scores = pd.read_csv(folder / "scores.csv")
    rounds = scores[(scores["metric"] == "noise_rounds") & scores["dataset"].str.contains("quick")]
    assert (rounds["value"] == 2).all() and len(rounds)


def test_noise_of_another_data_set_is_refused(project):
    project.write_study(config())
    project.run()
    path = next(project.results().glob("noise/*/*/noise.json"))
    path.write_text(path.read_text().replace('"dataset": "', '"dataset": "0'))
    for folder in project.results("data").glob("*noised=0.5*"):
        for file in folder.iterdir():
            file.unlink()
    done = project.snakemake("--cores", "1", check=False)
    assert "made for another data set; delete it" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("noise_", "message"),
    [
        ({"epsilon": 0}, "epsilon.*0"),
        ({"epsilon": 1}, "epsilon.*1"),
        ({"epsilon": 0.001}, "less than one step of a pixel"),
        ({"epsilon": 0.6}, "epsilon: 0.6 is .* more than 127; allowed: 1/255 to 127/255"),
        ({"step": 0.2}, "step: 0.2 is more than epsilon; allowed: up to 0.1"),
        ({"rounds": 0}, "rounds.*0"),
        ({"stop_error": 1.5}, "stop_error.*1.5"),
        ({"model": "mlp"}, "size: null; mlp needs its hidden"),
        ({"model": "vgg"}, "model.*vgg"),
        ({"name": "minimal"}, "minimal"),
    ],
    ids=str,
)
def test_noise_that_cannot_be_is_refused_before_anything_runs(noise_, message):
    with pytest.raises(study.StudyError, match=message):
        study.load(config(noise={"name": "quick"} | noise_))


def test_what_noise_does_not_fit_is_refused():
    for share in (-0.1, 1.1):
        with pytest.raises(study.StudyError, match=f"noised.*{share}"):
            study.load(config(noised=share))
    with pytest.raises(study.StudyError, match="its images carry no noise"):
        study.load(config(experiment={"dataset": "digits"}))
    plan = config()
    plan["pictures"] = {"examples": {"dataset": "digits"}}
    with pytest.raises(study.StudyError, match=r"pictures\.examples.*no images that carry noise"):
        study.load(plan)


def test_shares_share_noise_and_images():
    plan = study.load(config())
    assert len(plan.datasets) == 4 and len(plan.noises) == 1
    assert {part.source for part in plan.datasets.values()} == {None, "digits"}


# -- the method ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(digits):
    return jobs.train(digits, job("cnn1", epochs=8)).states[0]


def serve(digits, trained, request, **change):
    found = job("cnn1", method="error_minimizing_noise", epochs=8)
    found["method"]["parameters"] |= {"epochs": 1, "epsilon": 0.1} | change
    here = jobs.new_task(digits, found)
    method = jobs._instance("methods", found["method"])
    state, states = trained, []
    for step in request.steps(200, digits.base):
        state = method.unlearn(here, state, step, 0)
        states.append(state)
    return states, here


def deletion(*steps):
    return Request([np.sort(ids) for ids in steps], [NOBODY] * len(steps))


def test_without_noise_it_is_training_on(digits, trained):
    states, here = serve(digits, trained, deletion(digits.base[::5]), noise="none")
    model = here.model(trained)
    recipe = here.recipe | {"epochs": 1, "lr": 0.01, "schedule": "constant"}
    training.fit(here, model, digits.base, recipe, seeding.derive(0, "finetune"))
    assert all(np.array_equal(states[0][n], t) for n, t in state_of(model).items())


def test_it_is_training_on_the_retain_set_and_the_noisy_images(digits, trained):
    """Of all requests so far, each with the noise of its time, from the last model."""
    one, two = digits.base[:20], digits.base[60:90]
    states, here = serve(digits, trained, deletion(one, two))
    state = trained
    for after, known in zip(states, (one, [*one, *two]), strict=True):
        assert np.array_equal(after["noise/ids"], known) and np.asarray(after["noise/values"]).any()
        images = digits.train_images.astype(int)
        images[known] += after["noise/values"]
        data = dataset.Dataset(**vars(digits) | {"train_images": images.astype(np.uint8)})
        noisy = jobs.new_task(data, job("cnn1", epochs=8))
        model = noisy.model(state)
        recipe = here.recipe | {"epochs": 1, "lr": 0.01, "schedule": "constant"}
        training.fit(noisy, model, digits.base, recipe, seeding.derive(0, "finetune"))
        assert all(np.array_equal(after[n], t) for n, t in state_of(model).items())
        state = after


def test_the_method_is_for_images():
    plan = config()
    plan["datasets"] = {"mnist": {"recipe": "quick", "features": "hog", "held_out": 0.2}}
    plan["experiments"]["accuracy"] |= {
        "dataset": "mnist",
        "model": "mlp",
        "request": {"name": "random", "rate": 0.1},
        "method": "error_minimizing_noise",
        "figure": {"x": "rate", "y": "accuracy/test"},
    }
    with pytest.raises(study.StudyError, match="the method is for images; allowed: features: null"):
        study.load(plan)


def test_noise_takes_the_gradient_away(digits, trained):
    ids = digits.base[::5]
    norms = {}
    for kind in ("error_minimizing", "none", "error_maximizing", "random"):
        (state,), here = serve(digits, trained, deletion(ids), noise=kind)
        values = np.asarray(state["noise/values"])
        assert np.array_equal(state["noise/ids"], ids) and abs(values.astype(int)).max() <= 25
        pixels = torch.from_numpy(digits.train_images[ids].astype(int) + values).to(torch.uint8)
        model = here.model(trained)
        images = training.normalised(pixels, here.data)
        labels = here.data.train_labels[torch.from_numpy(ids)]
        functional.cross_entropy(model(images), labels).backward()
        norms[kind] = float(sum(p.grad.square().sum() for p in model.parameters()))
    assert norms["error_minimizing"] < 0.2 * norms["none"] < norms["error_maximizing"]


def test_noise_of_earlier_requests_stays(digits, trained):
    one, two = digits.base[:5], digits.base[60:66]
    (first, second), _ = serve(digits, trained, deletion(one, two))
    assert np.array_equal(second["noise/ids"], [*one, *two])
    assert np.array_equal(second["noise/values"][:5], first["noise/values"])
    back = Request([one, NOBODY], [NOBODY, one[:2]])
    state = serve(digits, trained, back)[0][-1]
    assert np.array_equal(state["noise/ids"], one[2:])
    again = Request([one, NOBODY, one[:2]], [NOBODY, one[:2], NOBODY])
    state = serve(digits, trained, again)[0][-1]
    assert sorted(state["noise/ids"]) == sorted(one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": 0.2}, r"step: 0\.2 is more than epsilon; allowed: up to 0\.0314"),
        ({"epsilon": 0.001}, "less than one step of a pixel"),
        ({"epsilon": 1}, "epsilon.*1"),
        ({"noise": "minimal"}, "noise.*minimal"),
    ],
    ids=str,
)
def test_noise_that_the_method_cannot_make_is_refused_before_anything_runs(change, message):
    plan = config(
        experiment={
            "dataset": "digits",
            "request": {"name": "random", "rate": 0.1},
            "method": {"name": "error_minimizing_noise"} | change,
        }
    )
    with pytest.raises(study.StudyError, match=message):
        study.load(plan)


def test_examples_of_real_images():
    """CIFAR-10, noise rounded to whole steps, at both ends of the range."""
    from conftest import raw_data

    data = dataset.build(
        "cifar10", raw_data("cifar-10-batches-py"), subset=60, subset_seed=0, held_out=0,
        held_out_seed=0, retain_sample=1,
    )  # fmt: skip
    values, record = made(data, "random", epsilon=0.0314)
    assert record["largest"] == 8 and 0.3 < record["negative"] < 0.6
    noisy = dataset.with_noise(data, values, record | {"share": 1, "seed": 0})
    difference = noisy.train_images.astype(int) - data.train_images
    assert np.array_equal(difference, values)
