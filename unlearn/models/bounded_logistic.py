"""Logistic regression on inputs of norm one, whose constants are proved."""

import math

from unlearn.models.base import Architecture


class BoundedLogistic(Architecture):
    """Logistic regression without a bias on images that are divided by their norm.

    Every input x = image / |image| has norm 1, or 0 for an image of zeros, whatever the data: the
    gradient and the curvature of the loss are bounded by proof. Two classes have one weight vector
    w and the logits -w.x / 2 and w.x / 2, so the cross-entropy is that of binary logistic
    regression, ln(1 + exp(-y w.x)) with y = -1 for class 0 and 1 for class 1. More classes have a
    weight vector each and the cross-entropy of the softmax.

    Pixels of the data set should be `symmetric`, in [-1, 1].
    """

    flat = True
    has_batch_normalisation = False
    layer_count = 1
    is_convex = True

    def build(self, shape, classes):
        """The rows divided by their norms, one linear layer, and for two classes its two signs."""
        from torch import nn

        from unlearn.models.layers import OppositeHalves, UnitRows

        inputs = math.prod(shape)
        rows = (nn.Flatten(), UnitRows())
        if classes == 2:
            return nn.Sequential(*rows, nn.Linear(inputs, 1, bias=False), OppositeHalves())
        return nn.Sequential(*rows, nn.Linear(inputs, classes, bias=False))

    def weight_count(self, shape, classes):
        """One weight for every input, and for every class if there are more than two."""
        return math.prod(shape) * (1 if classes == 2 else classes)
