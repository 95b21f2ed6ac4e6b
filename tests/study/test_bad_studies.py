"""Bad configurations are refused in a line, before any job."""

import pytest

from tests.support.project import TINY
from tests.support.study import load
from unlearn.study.load import StudyError


def refused(change) -> str:
    with pytest.raises(StudyError) as error:
        load(change)
    message = str(error.value)
    assert message.startswith("my.yaml: ")
    return message


BAD = {
    "unknown key": (
        lambda c, e: c.update(sedes=3),
        ["unknown key 'sedes'", "Did you mean seeds?"],
    ),
    "unknown key in an experiment": (
        lambda c, e: e.update(modle="mlp"),
        ["experiments.accuracy", "'modle'", "Did you mean model?"],
    ),
    "wrong type": (lambda c, e: c.update(seeds="many"), ["seeds", "'many'"]),
    "out of range": (
        lambda c, e: c["recipes"]["quick"].update(lr=-1),
        ["recipes.quick.lr: -1 is not allowed; allowed: between 0 and 1e+30, 0 excluded"],
    ),
    "flip of another kind": (
        lambda c, e: c["recipes"]["quick"].update(flip=1),
        ["recipes.quick.flip: 1 is not one of [False, True, 'alternating']"],
    ),
    "labels of nothing but smoothing": (
        lambda c, e: c["recipes"]["quick"].update(label_smoothing=1),
        ["recipes.quick.label_smoothing: 1 is not allowed; allowed: between 0 and 1, 1 excluded"],
    ),
    "out of range in an experiment": (
        lambda c, e: e.update(method={"name": "finetune", "epochs": [1, 0]}),
        [
            "experiments.accuracy.method.epochs: 0 is not allowed; allowed: between 1 and 4,294,967,295"
        ],
    ),
    "unknown parameter": (
        lambda c, e: e.update(method={"name": "finetune", "epoch": 1}),
        ["experiments.accuracy.method: unknown key 'epoch'", "Did you mean epochs?"],
    ),
    "parameter of another method": (
        lambda c, e: e.update(method={"name": "original", "epochs": 1}),
        ["unknown key 'epochs'; allowed: tuned"],
    ),
    "number as text": (
        lambda c, e: c["recipes"]["quick"].update(lr="1e-3"),
        ["recipes.quick.lr", "write it as a number, 0.001"],
    ),
    "unknown data set": (
        lambda c, e: e.update(dataset="minst"),
        ["experiments.accuracy.dataset: unknown dataset 'minst'", "cifar10", "mnist?"],
    ),
    "unknown model": (lambda c, e: e.update(model="cnn3"), ["unknown model 'cnn3'", "cnn2"]),
    "unknown recipe": (
        lambda c, e: c["datasets"]["digits"].update(recipe="fast"),
        ["unknown recipe 'fast'", "quick"],
    ),
    "unknown method": (
        lambda c, e: e.update(method=["finetun"]),
        ["experiments.accuracy.method: unknown method 'finetun'", "finetune?"],
    ),
    "unknown sampler": (lambda c, e: e.update(request="rnadom"), ["unknown request 'rnadom'"]),
    "unused alias of nothing": (
        lambda c, e: c.update(methods={"x": {"name": "nothing"}}),
        ["methods.x: unknown method 'nothing'"],
    ),
    "unused alias with a bad value": (
        lambda c, e: c.update(methods={"finetune": {"lr": 0}}),
        ["methods.finetune.lr: 0"],
    ),
    "figure without column": (
        lambda c, e: e["figure"].update(x="rates"),
        ["experiments.accuracy.figure.x: unknown column 'rates'", "Did you mean rate?"],
    ),
    "figure of a parameter that no part has": (
        lambda c, e: e["figure"].update(colour="method.shards"),
        ["figure.colour: unknown column 'method.shards'", "method.epochs"],
    ),
    "unknown metric": (lambda c, e: e["figure"].update(y="acuracy"), ["figure.y", "accuracy?"]),
    "unknown split": (lambda c, e: e["figure"].update(split="train"), ["figure.split", "retain"]),
    "unknown kind of figure": (
        lambda c, e: e["figure"].update(kind="pie"),
        ["figure.kind", "lines"],
    ),
    "rate that selects nothing": (
        lambda c, e: e.update(request={"name": "random", "rate": 0.001}),
        ["experiments.accuracy.request", "selects no point of 200"],
    ),
    "rate that selects everything": (
        lambda c, e: e.update(request={"name": "random", "rate": 0.9999}),
        ["leave nothing of the 200"],
    ),
    "rate and count": (
        lambda c, e: e.update(request={"name": "random", "rate": 0.1, "count": 3}),
        ["either rate or count"],
    ),
    "rate out of range": (
        lambda c, e: e.update(request={"name": "random", "rate": 1.5}),
        ["request.rate: 1.5 is not allowed; allowed: between 0 and 1, both excluded"],
    ),
    "class that does not exist": (
        lambda c, e: e.update(request={"name": "by_class", "label": 10}),
        ["label 10 does not exist; classes go from 0 to 9"],
    ),
    "class without label": (lambda c, e: e.update(request="by_class"), ["'label' is a required"]),
    "addition without held-out points": (
        lambda c, e: e.update(request={"name": "held_out", "rate": 0.1}),
        ["20 points are to be added but 0 are held out"],
    ),
    "subset larger than the data": (
        lambda c, e: c["datasets"]["digits"].update(subset=5000),
        ["subset: 5000 is too many; digits has 1293 training points"],
    ),
    "validation split that leaves no training point": (
        lambda c, e: c["datasets"]["digits"].update(validation=1437),
        ["validation: 1437 is too many; digits has 1436 training points"],
    ),
    "validation split and subset larger than the data": (
        lambda c, e: c["datasets"]["digits"].update(validation=0, subset=1438),
        ["subset: 1438 is too many; digits has 1437 training points"],
    ),
    "more test points than there are": (
        lambda c, e: c["datasets"]["digits"].update(test_subset=361),
        ["test_subset: 361 is too many; digits has 360 test points"],
    ),
    "alias that hides a registered name": (
        lambda c, e: c["datasets"]["digits"].update(name="mnist"),
        ["datasets.digits.name: digits is no other name for mnist"],
    ),
    "recipe without name": (
        lambda c, e: e.update(model={"name": "mlp", "recipe": {"epochs": 3}}),
        ["experiments.accuracy.model.recipe", "needs the name"],
    ),
    "key that is a number": (
        lambda c, e: c["experiments"].update({5: e}),
        ["experiments: the key 5 must be text"],
    ),
    "seeds as text": (
        lambda c, e: c.update(seeds="5"),
        ["seeds: '5' is not allowed: Training seeds"],
    ),
    "braces": (lambda c, e: c.update(results="a{b}"), ["results: 'a{b}' must not contain braces"]),
    "share of a class that is nothing": (
        lambda c, e: e.update(request={"name": "by_class", "label": 1, "fraction": 0.001}),
        ["fraction 0.001 of a class of about 20 points"],
    ),
    "empty list": (
        lambda c, e: e.update(request={"name": "random", "rate": []}),
        ["experiments.accuracy.request.rate: an empty list selects nothing"],
    ),
    "not a number": (
        lambda c, e: c["recipes"]["quick"].update(lr=float("nan")),
        ["recipes.quick.lr: nan is not a finite number"],
    ),
    "odd text for a number": (
        lambda c, e: c["recipes"]["quick"].update(lr="1.2.3"),
        ["recipes.quick.lr: '1.2.3' is not of type 'number'"],
    ),
    "name that is a block": (
        lambda c, e: e.update(method={"name": {"a": 1}}),
        ["experiments.accuracy.method"],
    ),
    "nesterov without momentum": (
        lambda c, e: c["recipes"]["quick"].update(nesterov=True, momentum=0),
        ["recipes.quick: nesterov: true needs a momentum above 0"],
    ),
    "everything held out": (
        lambda c, e: c["datasets"]["digits"].update(subset=2, held_out=0.9),
        ["held_out: 0.9 of 2 points leaves none"],
    ),
    "control that is redefined": (
        lambda c, e: c.update(methods={"retrain": {"name": "finetune"}}),
        ["methods.retrain.name: retrain is no other name for finetune"],
    ),
    "additions for a method that only deletes": (
        lambda c, e: (
            c["datasets"]["digits"].update(held_out=0.2),
            e.update(request={"name": "held_out", "rate": 0.1}),
        ),
        ["method: gradient_ascent can only delete, held_out-rate=0.1 asks to add"],
    ),
    "split that no request has": (
        lambda c, e: e["figure"].update(split="added"),
        ["figure.split: unknown split 'added'; allowed: forget, retain, test"],
    ),
    "metric without any of the splits": (
        lambda c, e: e["figure"].update(y=["accuracy", "wall_seconds"], split=["test"]),
        ["figure.split: ['test'] has no value of wall_seconds; allowed here: forget, learn"],
    ),
    "two requests at one point": (
        lambda c, e: e.update(
            request=[{"name": "random", "rate": 0.1}, {"name": "pareto", "rate": 0.1}]
        ),
        ["experiments.accuracy.figure: random-rate=0.1 and pareto-rate=0.1 would share"],
    ),
    "two variants at one point": (
        lambda c, e: (
            e.update(method={"name": "finetune", "epochs": [1, 2], "lr": [0.1, 0.2]}),
            e.update(request={"name": "random", "rate": 0.1}),
            e["figure"].update(x="method.epochs"),
        ),
        ["would share one point"],
    ),
    "more shards than points": (
        lambda c, e: e.update(method={"name": "sisa", "shards": 201}),
        ["method: sisa-shards=201 on digits: shards: 201 are more than the 200 points", "1 .. 200"],
    ),
    "more slices than points of a shard": (
        lambda c, e: e.update(method={"name": "sisa", "shards": 20, "slices": 11}),
        ["slices: 11 are more than the 10 points of a shard; allowed: 1 .. 10"],
    ),
    "shards that do not divide the classes": (
        lambda c, e: e.update(method={"name": "sisa", "shards": 12, "partition": "label"}),
        ["shards: 12 do not divide 10 classes", "multiple of 10"],
    ),
    "public centroids without public points": (
        lambda c, e: e.update(method={"name": "sisa", "partition": "kmeans"}),
        ["kmeans_fit: public has 0 points", "raise `held_out` of the data set"],
    ),
    "shards of too many points": (
        lambda c, e: e.update(
            method={"name": "sisa", "partition": "distribution_aware", "min_shard": 41}
        ),
        ["min_shard: 5 shards of 41 points need 205, there are 200; allowed: 1 .. 40"],
    ),
    "adversary of other shards": (
        lambda c, e: e.update(
            method={"name": "sisa", "shards": 20}, request={"name": "adversarial", "count": 3}
        ),
        ["sisa-shards=20, adversarial-count=3: the request is for shards: 5, the trainer has 20"],
    ),
    "additions of public points": (
        lambda c, e: (
            c["datasets"]["digits"].update(held_out=0.2),
            e.update(method={"name": "sisa", "partition": "kmeans"}),
            e.update(request={"name": "held_out", "count": 3}),
        ),
        ["sisa-partition=kmeans can only delete, held_out-count=3 asks to add"],
    ),
    "unknown partition": (
        lambda c, e: e.update(method={"name": "sisa", "partition": "by_hand"}),
        ["partition", "'by_hand'", "uniform"],
    ),
    "no shards": (
        lambda c, e: e.update(method={"name": "sisa", "shards": 0}),
        ["shards: 0 is not allowed; allowed: between 1 and 999"],
    ),
    "metric that no method has": (
        lambda c, e: e["figure"].update(y="lone_accuracy"),
        ["figure.y: unknown metric 'lone_accuracy'"],
    ),
    "metric on a split that it does not have": (
        lambda c, e: e["figure"].update(y=["accuracy/weights", "kl"]),
        ["figure.y: accuracy/weights: unknown split 'weights'; allowed: added, forget, retain"],
    ),
    "metric that is there twice": (
        lambda c, e: e["figure"].update(y=["accuracy/test", "accuracy/forget"]),
        ["figure.y: accuracy is there twice"],
    ),
    "method that is not drawn": (
        lambda c, e: e["figure"].update(methods=["sisa"]),
        ["figure.methods: unknown method 'sisa'", "retrain"],
    ),
    "no experiments": (lambda c, e: c.update(experiments={}), ["experiments"]),
    "study name with a slash": (lambda c, e: c.update(study="a/b"), ["study", "'a/b'", "letters"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_configurations_are_refused(case):
    change, expected = BAD[case]
    message = refused(change)
    assert "\n" not in message
    for text in expected:
        assert text in message, message


def test_refusals_come_from_snakemake_before_any_job(project):
    project.write_study({**TINY, "seeds": 0})
    process = project.snakemake("--cores", "1", check=False)
    assert process.returncode != 0
    assert "study.yaml: seeds: 0 is" in process.stdout + process.stderr
    assert "Traceback" not in process.stdout + process.stderr
    assert not project.results().exists()
