"""How a model relearns: the parameters of fine-tuning on half of the forget set."""

from unlearn.core.parameters import Parameters, parameter


class Relearning(Parameters):
    """Fine-tune on half of the forget set, and score the other half after some steps.

    Plain SGD at a constant rate, without augmentation, with frozen batch normalisation. Every model
    of a seed gets the same half and the same minibatches, whatever its method.
    """

    steps: int = parameter(64, minimum=1, maximum=100_000, help="Minibatches of fine-tuning.")
    lr: float = parameter(0.01, above=0, help="The constant learning rate.")
    batch_size: int = parameter(64, minimum=1, help="Points of a minibatch, or all of the half.")
    tolerance: float = parameter(
        0.01, minimum=0, below=1, help="How far below the accuracy of the original the target is."
    )

    def scored_steps(self) -> list[int]:
        """The numbers of steps after which the model is scored: 0, 1, 2, 4, ..., `steps`."""
        powers = [2**power for power in range(self.steps.bit_length())]
        return [0, *powers, *([] if self.steps in powers else [self.steps])]
