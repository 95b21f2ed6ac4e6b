"""Strong augmentation changes images point by point."""

import numpy as np
import torch

from tests.support.jobs import build, raw_data
from tests.support.jobs import task as new_task
from unlearn.core import seeding
from unlearn.training.augmentation import Epoch, augmentation
from unlearn.training.recipe import Recipe
from unlearn.training.strong_augmentation import strong

torch.set_num_threads(1)


def of_one_value(value, count=400, channels=3, side=16):
    return torch.full((count, side, side, channels), value, dtype=torch.uint8)


def test_numbers_of_a_point_do_not_depend_on_the_others():
    values = seeding.point_uniforms(5, np.arange(300), 40)
    assert values.min() >= 0 and values.max() < 1 and abs(values.mean() - 0.5) < 0.02
    assert len(np.unique(values)) == values.size
    assert np.array_equal(seeding.point_uniforms(5, np.array([17, 4]), 40), values[[17, 4]])
    assert not np.isin(seeding.point_uniforms(6, np.arange(300), 40), values).any()


def test_a_deletion_changes_no_other_point():
    data = build("cifar10", raw_data("cifar-10-batches-py"), subset=90)
    task = new_task(data, model="cnn1", strong=True, crop=4, flip=True)
    ids = task.data.ids
    kept_ids = np.setdiff1d(ids, [3, 40, 41])
    whole = {}
    part = {}
    for images_by_id, trained_ids in ((whole, ids), (part, kept_ids)):
        for batch in task.minibatches(trained_ids, 2, 1, among=ids):
            images_by_id.update(zip(batch.ids.tolist(), batch.images, strict=True))
    assert sorted(part) == kept_ids.tolist()
    assert all(torch.equal(whole[point], image) for point, image in part.items())


def test_images_differ_from_epoch_to_epoch_and_stay_in_the_range_of_pixels(digits):
    task = new_task(digits)
    pixels = torch.from_numpy(np.array(digits.train_images))
    augment = augmentation(Recipe(strong=True), task.data)
    ids = np.arange(len(pixels))
    first = augment(pixels, ids, Epoch(3, 0))
    second = augment(pixels, ids, Epoch(3, 1))
    assert torch.equal(first, augment(pixels, ids, Epoch(3, 0)))
    assert (first != second).flatten(1).any(1).all()
    assert first.min() == 0 and first.max() == 255


def test_brightness_and_contrast_have_the_ranges_of_their_formulas():
    middle = strong(of_one_value(128), np.arange(400), 0, 256).flatten(1) / 256
    low = middle.amin(1)
    high = middle.amax(1)
    # x = 1/2 becomes I (2 f - 1) (1/2 + g) + 1/2; f is 0 somewhere and 1 elsewhere
    assert (low < 0.5).all() and (high > 0.5).all()
    assert (0.5 - low).min() >= 0.5 * 0.5 * 0.5 and low.min() == 0 and high.max() == 1
    centred = strong(of_one_value(128, side=1), np.arange(400), 0, 256).flatten()
    # fields of one pixel are 0: brightness falls by I, then contrast by one half
    change = 0.5 - centred / 256
    expected = seeding.point_uniforms(seeding.derive(0, "strong"), np.arange(400), 173)[:, 168]
    drop = np.clip(0.5 - (0.5 + 0.5 * expected), 0, 1)
    assert np.allclose(change.view(400, 3)[:, 0].numpy(), (0.5 - drop) / 2, atol=1e-5)


def test_fields_are_smooth_and_shared_by_the_channels():
    images = strong(of_one_value(128, side=32), np.arange(50), 1, 255)
    assert torch.equal(images[..., 0], images[..., 1])
    steps = (images[:, 1:] - images[:, :-1]).abs().amax()
    assert 5 < steps < 80


def test_one_order_of_channels_in_six_comes_with_half_the_images():
    pixels = torch.zeros(6000, 1, 1, 3, dtype=torch.uint8)
    pixels[..., 1] = 128
    pixels[..., 2] = 255
    colours = strong(pixels, np.arange(6000), 4, 255).view(6000, 3)
    # darkest and lightest stay so: the formulas keep the order of values
    orders = colours.argsort(1, stable=True)
    is_told = (colours.sort(1).values.diff(dim=1) > 0).all(1)
    codes, counts = torch.unique(orders[is_told], dim=0, return_counts=True)
    shares = counts / counts.sum()
    unchanged = (codes == torch.arange(3)).all(1)
    assert len(codes) == 6
    assert abs(shares[unchanged].item() - 7 / 12) < 0.05
    assert (abs(shares[~unchanged] - 1 / 12) < 0.03).all()
    grey = of_one_value(200, count=20, channels=1)
    assert strong(grey, np.arange(20), 4, 255).shape == grey.shape
