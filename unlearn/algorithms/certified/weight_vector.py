"""All weights of a network as one float64 vector, and the gradient of a minibatch to them."""

import torch
from torch.func import functional_call
from torch.nn import functional

from unlearn.training.minibatches import Batch
from unlearn.training.state import State
from unlearn.training.task import Task


class WeightVector:
    """The weights of a network as a vector of P numbers, in the order of its parameters."""

    def __init__(self, task: Task, state: State):
        """The weights of a state.

        Args:
            task: Its architecture, its machine, and the meter that gradients are charged to.
            state: The tensors of a network.

        Raises:
            ValueError: A tensor is no trainable weight, so that noise on weights leaves it as it
                is: a frozen weight or a buffer, such as a statistic of batch normalisation.
        """
        self.task = task
        self.model = task.bare_model(state).double().eval()
        self.parameters = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        for name in self.model.state_dict():
            if name not in self.parameters:
                raise ValueError(
                    f"{type(task.architecture).__name__} has {name}, which gets no noise; "
                    "allowed: networks of trainable weights alone, without batch normalisation"
                )

    def values(self) -> torch.Tensor:
        """The weights of the state, P."""
        return torch.cat([p.detach().reshape(-1) for p in self.parameters.values()])

    def gradient(self, weights: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The gradient of the mean cross-entropy of a minibatch at `weights`, P; charged.

        Weight decay is not part of it.
        """
        images = batch.images.double()
        point = weights.detach().requires_grad_()
        with torch.enable_grad():
            logits = functional_call(self.model, self._parts(point), (images,))
            loss = functional.cross_entropy(logits, batch.labels)
            (gradient,) = torch.autograd.grad(loss, point)
        self.task.meter.gradients(self.model, images)
        return gradient

    def state(self, weights: torch.Tensor) -> State:
        """The tensors of the network with these weights, rounded to float32."""
        return {name: part.float() for name, part in self._parts(weights).items()}

    def _parts(self, weights: torch.Tensor) -> dict[str, torch.Tensor]:
        """The weights by the name of their parameter."""
        parts = weights.split([p.numel() for p in self.parameters.values()])
        pairs = zip(self.parameters.items(), parts, strict=True)
        return {name: part.view(p.shape) for (name, p), part in pairs}
