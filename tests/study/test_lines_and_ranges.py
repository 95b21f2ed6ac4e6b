"""Values that no job can use are refused at the plan: lines of text, numbers, sizes."""

import pytest

from tests.support.study import load
from unlearn.study.load import StudyError

BAD = {
    "study whose name ends in a line break": (
        lambda c, e: c.update(study="nl\n"),
        "study: 'nl\\n' has a line break; allowed: text on one line",
    ),
    "results in a folder whose name ends in a line break": (
        lambda c, e: c.update(results="out\n"),
        "results: 'out\\n' has a line break",
    ),
    "data in a folder whose name ends in a line break": (
        lambda c, e: c.update(data="raw\n"),
        "data: 'raw\\n' has a line break",
    ),
    "features whose name ends in a line break": (
        lambda c, e: c["datasets"]["digits"].update(features="hog\n"),
        "datasets.digits.features: 'hog\\n' has a line break",
    ),
    "checkpoint whose name ends in a line break": (
        lambda c, e: e.update(model={"name": "mlp", "checkpoint": "{seed}\n"}),
        "experiments.accuracy.model.checkpoint: '{seed}\\n' has a line break",
    ),
    "summary of a metric without a split": (
        lambda c, e: e.update(summary=["accuracy"]),
        "summary.0: 'accuracy' is not allowed; allowed: metric/split, as in accuracy/test",
    ),
    "crop beyond the image": (
        lambda c, e: c["recipes"]["quick"].update(crop=9),
        "experiments.accuracy.model: quick on digits: crop: 9 is not allowed; allowed: between 0 and "
        "8, the shorter side of an image",
    ),
    "square beyond the image": (
        lambda c, e: c["recipes"]["quick"].update(cutout=1_000_000),
        "quick on digits: cutout: 1000000 is not allowed; allowed: between 0 and 8",
    ),
    "learning rate that float32 cannot hold": (
        lambda c, e: c["recipes"]["quick"].update(lr=1e308),
        "recipes.quick.lr: 1e+308 is not allowed; allowed: between 0 and 1e+30, 0 excluded",
    ),
    "learning rate of a method that float32 cannot hold": (
        lambda c, e: e.update(method={"name": "finetune", "lr": 1e308}),
        "experiments.accuracy.method.lr: 1e+308 is not allowed; allowed: between 0 and 1e+30",
    ),
    "weight decay that float32 cannot hold": (
        lambda c, e: c["recipes"]["quick"].update(weight_decay=1e300),
        "recipes.quick.weight_decay: 1e+300 is not allowed; allowed: between 0 and 1,000,000",
    ),
    "temperature without end": (
        lambda c, e: e.update(method={"name": "influence_distillation", "temperature": 1e300}),
        "method.temperature: 1e+300 is not allowed; allowed: between 0.001 and 1,000",
    ),
    "validation points that leave one to train on": (
        lambda c, e: (
            c["datasets"]["digits"].update(subset=None, validation=1436),
            e.update(request={"name": "random", "count": 1}),
        ),
        "experiments.accuracy.dataset.validation: 1436 of 1437 points leaves 1 to train on; allowed: "
        "at most 1435",
    ),
    "held-out points that leave one to train on": (
        lambda c, e: c["datasets"]["digits"].update(held_out=0.995),
        "experiments.accuracy.dataset.held_out: 0.995 of 200 points leaves 1 to train on; allowed: 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_no_job_can_use_is_refused(case):
    change, expected = BAD[case]
    with pytest.raises(StudyError) as error:
        load(change)
    message = str(error.value)
    assert message.startswith("my.yaml: ") and "\n" not in message
    assert expected in message, message


def test_crops_and_squares_of_the_whole_image_are_allowed():
    assert load(lambda c, e: c["recipes"]["quick"].update(crop=8, cutout=8)).cells
