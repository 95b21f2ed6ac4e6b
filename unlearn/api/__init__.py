"""The library for a notebook: unlearn from your own model, and evaluate it against an oracle.

    dataset = api.from_arrays(train_images, train_labels, test_images, test_labels)
    original = api.train(dataset, MyNetwork, recipe=Recipe(epochs=5))
    unlearned = api.unlearn(original, Finetune(epochs=2), forget_ids)
    oracle = api.retrain(original, forget_ids)
    api.evaluate(unlearned, oracle)
    certificate = api.certify(unlearned, oracle)

A network is an architecture of the library, such as `Cnn1()`, or a function without arguments
that returns a fresh `torch.nn.Module` from images N x C x H x W to logits N x classes.
"""

from unlearn.api.certify import certify, verify
from unlearn.api.datasets import from_arrays, load_dataset
from unlearn.api.models import Model, pretrained, retrain, train, unlearn
from unlearn.api.scores import evaluate
from unlearn.training.recipe import Recipe

__all__ = [
    "Model",
    "Recipe",
    "certify",
    "evaluate",
    "from_arrays",
    "load_dataset",
    "pretrained",
    "retrain",
    "train",
    "unlearn",
    "verify",
]
