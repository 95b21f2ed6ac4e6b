"""Images are changed point by point."""

import numpy as np
import pytest
import torch

from tests.support.jobs import task as new_task
from unlearn.algorithms.losses import cross_entropy
from unlearn.core import seeding
from unlearn.training.augmentation import Epoch, augmentation, mix
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe


def test_squares_are_blanked_around_drawn_pixels(digits):
    task = new_task(digits)
    pixels = torch.from_numpy(np.array(digits.train_images[:60]))
    pixels[pixels == 128] = 129  # the mean colour
    blank = augmentation(Recipe(cutout=4), task.data)
    blanked_pixels = blank(pixels, np.arange(60), 3)
    assert torch.equal(blank(pixels[7:9], np.arange(7, 9), 3), blanked_pixels[7:9])
    is_blank = (blanked_pixels != pixels)[..., 0]
    assert (blanked_pixels[is_blank] == 128).all()
    rows = is_blank.any(2)
    columns = is_blank.any(1)
    assert torch.equal(is_blank, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).min() > 0 and rows.sum(1).max() == columns.sum(1).max() == 4
    assert (blank(pixels, np.arange(60), 4) != blanked_pixels).any()


def test_mixed_minibatches_are_between_their_images(digits):
    images = torch.rand(5, 3)
    labels = torch.tensor([0, 1, 2, 1, 0])
    mixed_images, soft_labels = mix(images, labels, 1.0, 3, 7)
    share = float(soft_labels[0, 0] if labels[0] != labels[4] else soft_labels[1, 1])
    assert torch.allclose(mixed_images, share * images + (1 - share) * images.roll(1, 0))
    assert torch.allclose(soft_labels.sum(1), torch.ones(5)) and 0 < share < 1
    task = new_task(digits, mixup=0.4, epochs=1)
    model = task.new_model(0)
    fit(task, model, np.arange(200), task.recipe, 0)
    plain_task = new_task(digits, epochs=1)
    plain_model = plain_task.new_model(0)
    fit(plain_task, plain_model, np.arange(200), plain_task.recipe, 0)
    assert not torch.equal(model[1].weight, plain_model[1].weight)


def test_augmentation_is_drawn_by_point(digits):
    pixels = torch.from_numpy(np.array(digits.train_images))
    augment = augmentation(Recipe(crop=2, flip=True), None)
    augmented_images = augment(pixels, np.arange(200), 7)
    augmented_part = augment(pixels[50:60], np.arange(50, 60), 7)
    assert torch.equal(augmented_images[50:60], augmented_part)
    assert not torch.equal(augmented_images, augment(pixels, np.arange(200), 8))
    flipped_images = augmentation(Recipe(flip=True), None)(pixels, np.arange(200), 7)
    mirrored_images = torch.flip(pixels, (2,))
    flips = [torch.equal(flipped_images[i], mirrored_images[i]) for i in range(200)]
    assert all(flip or torch.equal(flipped_images[i], pixels[i]) for i, flip in enumerate(flips))
    assert 70 < sum(flips) < 130


def test_crops_are_shifts(digits):
    pixels = torch.from_numpy(np.array(digits.train_images[:50]))
    crops = augmentation(Recipe(crop=1), None)(pixels, np.arange(50), 3)
    padded_pixels = torch.nn.functional.pad(pixels, (0, 0, 1, 1, 1, 1))
    shifts = set()
    for i in range(50):
        matches = [
            (top, left)
            for top in range(3)
            for left in range(3)
            if torch.equal(crops[i], padded_pixels[i, top : top + 8, left : left + 8])
        ]
        assert matches
        shifts |= set(matches)
    assert len(shifts) == 9


def mirrored_epochs(task, ids, epochs=4):
    """Whether each point is mirrored, epochs x points; all images are asymmetric."""
    plain_images = task.data.images(ids)
    rows = {int(point): row for row, point in enumerate(ids)}
    is_mirrored = np.zeros((epochs, len(ids)), dtype=bool)
    for epoch in range(epochs):
        for batch in task.minibatches(ids, 5, epoch):
            places = [rows[int(point)] for point in batch.ids]
            originals = plain_images[places]
            same = (batch.images == originals).flatten(1).all(1)
            mirrored = (batch.images == originals.flip(3)).flatten(1).all(1)
            assert (same ^ mirrored).all()
            is_mirrored[epoch, places] = mirrored.numpy()
    return is_mirrored


def test_alternating_flips_mirror_a_point_in_every_second_epoch(digits):
    task = new_task(digits, flip="alternating")
    images = task.data.images(digits.base_ids)
    ids = digits.base_ids[(images != images.flip(3)).flatten(1).any(1).numpy()]
    is_mirrored = mirrored_epochs(task, ids)
    assert (is_mirrored[0] != is_mirrored[1]).all()
    assert (is_mirrored[0] == is_mirrored[2]).all() and (is_mirrored[1] == is_mirrored[3]).all()
    assert 0.3 < is_mirrored[0].mean() < 0.7
    retained = np.arange(len(ids)) % 9 > 0
    assert np.array_equal(mirrored_epochs(task, ids[retained]), is_mirrored[:, retained])


def test_training_flips_by_its_seed_and_by_point(digits):
    """The loop and the minibatches of a task flip alike, and crops are those of other flips."""
    task = new_task(digits, model="cnn1", flip="alternating", crop=1, epochs=3, momentum=0.0)
    ids = digits.base_ids
    model = task.new_model(0)
    fit(task, model, ids, task.recipe, 5, among=ids)
    loop_model = task.new_model(0)
    optimizer = task.optimizer(loop_model, lr=0.1, schedule="cosine", steps=15, momentum=0.0)
    for epoch in range(3):
        for batch in task.minibatches(ids, 5, epoch):
            optimizer.step(cross_entropy(loop_model(batch.images), batch.labels))
    assert all(map(torch.equal, model.parameters(), loop_model.parameters()))
    pixels = torch.from_numpy(np.array(digits.train_images))
    shifted = augmentation(Recipe(crop=1), None)(pixels, np.arange(200), Epoch(5, 2).seed)
    epoch = Epoch(5, 2)
    alternating = augmentation(Recipe(crop=1, flip="alternating"), None)
    flipped = alternating(pixels, np.arange(200), epoch)
    is_mirrored = torch.from_numpy(epoch.is_mirrored(np.arange(200)))
    assert torch.equal(flipped[~is_mirrored], shifted[~is_mirrored])
    assert not torch.equal(flipped[is_mirrored], shifted[is_mirrored])


def test_random_flips_are_the_low_bits_of_the_points_keys(digits):
    """As they have been from the beginning: results of old studies do not change."""
    task = new_task(digits, flip=True)
    pixels = torch.from_numpy(np.array(digits.train_images))
    epoch = Epoch(5, 2)
    keys = seeding.point_keys(seeding.derive(epoch.seed, "augmentation"), np.arange(200))
    is_mirrored = torch.from_numpy((keys & np.uint64(1)).astype(bool))
    expected = torch.where(is_mirrored[:, None, None, None], pixels.flip(2), pixels)
    assert epoch.seed == seeding.derive(5, "epoch", 2)
    assert torch.equal(
        augmentation(task.recipe, task.data)(pixels, np.arange(200), epoch), expected
    )


@pytest.mark.parametrize("value", ["both", 1, None])
def test_other_flips_are_refused(value):
    with pytest.raises(
        ValueError, match=f"flip: {value!r} is not allowed; allowed: .* alternating"
    ):
        Recipe(flip=value)
