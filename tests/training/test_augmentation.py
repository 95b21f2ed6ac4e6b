"""Images are changed point by point."""

import numpy as np
import torch

from tests.support.jobs import task
from unlearn.training.augmentation import augmentation, mix
from unlearn.training.loop import fit
from unlearn.training.recipe import Recipe


def test_squares_are_blanked_around_drawn_pixels(digits):
    here = task(digits)
    pixels = torch.from_numpy(np.array(digits.train_images[:60]))
    pixels[pixels == 128] = 129  # the mean colour
    blank = augmentation(Recipe(cutout=4), here.data)
    found = blank(pixels, np.arange(60), 3)
    assert torch.equal(blank(pixels[7:9], np.arange(7, 9), 3), found[7:9])
    changed = (found != pixels)[..., 0]
    assert (found[changed] == 128).all()
    rows, columns = changed.any(2), changed.any(1)
    assert torch.equal(changed, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).min() > 0 and rows.sum(1).max() == columns.sum(1).max() == 4
    assert (blank(pixels, np.arange(60), 4) != found).any()


def test_mixed_minibatches_are_between_their_images(digits):
    images, labels = torch.rand(5, 3), torch.tensor([0, 1, 2, 1, 0])
    x, soft = mix(images, labels, 1.0, 3, 7)
    share = float(soft[0, 0] if labels[0] != labels[4] else soft[1, 1])
    assert torch.allclose(x, share * images + (1 - share) * images.roll(1, 0))
    assert torch.allclose(soft.sum(1), torch.ones(5)) and 0 < share < 1
    here = task(digits, mixup=0.4, epochs=1)
    model = here.new_model(0)
    fit(here, model, np.arange(200), here.recipe, 0)
    other = task(digits, epochs=1)
    plain = other.new_model(0)
    fit(other, plain, np.arange(200), other.recipe, 0)
    assert not torch.equal(model[1].weight, plain[1].weight)


def test_augmentation_is_drawn_by_point(digits):
    pixels = torch.from_numpy(np.array(digits.train_images))
    augment = augmentation(Recipe(crop=2, flip=True), None)
    whole = augment(pixels, np.arange(200), 7)
    part = augment(pixels[50:60], np.arange(50, 60), 7)
    assert torch.equal(whole[50:60], part)
    assert not torch.equal(whole, augment(pixels, np.arange(200), 8))
    plain = augmentation(Recipe(flip=True), None)(pixels, np.arange(200), 7)
    mirrored = torch.flip(pixels, (2,))
    flipped = [torch.equal(plain[i], mirrored[i]) for i in range(200)]
    assert all(f or torch.equal(plain[i], pixels[i]) for i, f in enumerate(flipped))
    assert 70 < sum(flipped) < 130


def test_crops_are_shifts(digits):
    pixels = torch.from_numpy(np.array(digits.train_images[:50]))
    cropped = augmentation(Recipe(crop=1), None)(pixels, np.arange(50), 3)
    padded = torch.nn.functional.pad(pixels, (0, 0, 1, 1, 1, 1))
    shifts = set()
    for i in range(50):
        fits = [
            (top, left)
            for top in range(3)
            for left in range(3)
            if torch.equal(cropped[i], padded[i, top : top + 8, left : left + 8])
        ]
        assert fits
        shifts |= set(fits)
    assert len(shifts) == 9
