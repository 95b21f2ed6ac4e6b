"""Do nothing: the negative control."""

from typing import ClassVar

from unlearn.methods.base import Method, Update


class Original(Method):
    """Do nothing. The negative control: every method must beat it.

    Cost:
        Nothing.

    Pitfalls:
        A method that scores as this one does has done nothing that can be measured.
    """

    label = "doing nothing"
    trainer = None
    reads = frozenset()
    changes_weights = False
    continues = True
    deterministic = True
    conformance_exceptions: ClassVar = {"change": "does nothing: the negative control"}
    is_control = True

    def gradient_evaluations(self, retained, deleted, recipe):
        """None is needed."""
        return 0

    def unlearn(self, task, original, request, seed):
        """No change."""
        return Update()
