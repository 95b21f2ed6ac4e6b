"""Adversarial training: every minibatch is replaced by images near it that raise the loss.

References:
    Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards deep learning models resistant to adversarial
    attacks", ICLR 2018.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from unlearn.training.data import Data
from unlearn.training.device import Machine
from unlearn.training.recipe import Recipe


@dataclass(frozen=True)
class Adversary:
    """Projected gradient ascent from each image, in a ball of the max norm around it."""

    data: Data
    machine: Machine
    recipe: Recipe
    """Number and length of the steps, and the radius, as shares of the range of pixels."""

    def images(self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Images within the radius and the range of pixels, at which the loss is larger.

        x := x + step sign(gradient of the cross-entropy at x), back into ball and range. The
        search starts at the image, draws nothing, and charges nothing. The model is in evaluation
        mode meanwhile, so statistics of batch normalisation stay.

        Args:
            model: Its weights and the modes of its modules are the same afterwards.
            images: N x C x H x W, normalised.
            labels: N, or distributions N x classes.
        """
        unit = self.data.levels * self.data.scale  # the range of pixels, by channel
        darkest = -self.data.shift
        radius = self.recipe.adversarial_radius * unit
        lower_bound = torch.maximum(images - radius, darkest)
        upper_bound = torch.minimum(images + radius, unit + darkest)
        modes = {module: module.training for module in model.modules()}
        model.eval()
        moved = images
        for _ in range(self.recipe.adversarial):
            direction = self._gradient(model, moved, labels).sign_()
            moved = moved + self.recipe.adversarial_step * unit * direction
            moved = torch.minimum(torch.maximum(moved, lower_bound), upper_bound)
        for module, mode in modes.items():
            module.training = mode
        return moved

    def _gradient(
        self, model: nn.Module, images: torch.Tensor, labels: torch.Tensor
    ) -> torch.Tensor:
        """The gradient of the summed loss to the images, N x C x H x W."""
        variables = images.detach().requires_grad_(True)
        with torch.enable_grad(), self.machine.autocast():
            loss = functional.cross_entropy(model(variables).float(), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, variables)
        return gradient
