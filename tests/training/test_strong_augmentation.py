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


def test_a_lonely_pixel_loses_brightness_and_then_contrast():
    """Its fields are 0: 1 becomes 1 - I, whose distance to 1/2 is then halved."""
    images = strong(of_one_value(255, side=1), np.arange(400), 0, 255).view(400, 3) / 255
    values = seeding.point_uniforms(seeding.derive(0, "strong"), np.arange(400), 173)
    intensity = 0.5 + 0.5 * values[:, 168]
    expected = (1 - intensity - 0.5) / 2 + 0.5
    assert np.allclose(images.numpy(), expected[:, None], atol=1e-6)


def test_fields_are_smooth_and_shared_by_the_channels():
    images = strong(of_one_value(128, 50, side=32), np.arange(50), 1, 255)
    assert torch.equal(images[..., 0], images[..., 1])
    steps = (images[:, 1:] - images[:, :-1]).abs().amax()
    assert 5 < steps < 80


def test_one_order_of_channels_in_six_comes_with_half_the_images():
    pixels = of_one_value(118, count=6000, side=4)
    pixels[..., 1] = 128
    pixels[..., 2] = 138
    images = strong(pixels, np.arange(6000), 4, 255).view(6000, 16, 3)
    # fields keep the order of values, but for those that are cut off
    spread = images.sort(2).values.diff(dim=2).amin(2)
    colours = images[torch.arange(6000), spread.argmax(1)]
    assert (spread.amax(1) > 1).float().mean() > 0.9
    orders = colours[spread.amax(1) > 1].argsort(dim=1)
    codes, counts = torch.unique(orders, dim=0, return_counts=True)
    shares = counts / counts.sum()
    is_unchanged = (codes == torch.arange(3)).all(1)
    assert len(codes) == 6
    assert abs(shares[is_unchanged].item() - 7 / 12) < 0.03
    assert (abs(shares[~is_unchanged] - 1 / 12) < 0.02).all()
    grey = of_one_value(200, count=20, channels=1)
    assert strong(grey, np.arange(20), 4, 255).shape == grey.shape
