"""Do nothing: the negative control."""

from unlearn.methods.base import Method, Update


class Original(Method):
    """Do nothing. The negative control: every method must beat it."""

    trainer = None
    reads = frozenset()
    changes_weights = False
    is_control = True

    def gradient_evaluations(self, retained, deleted, recipe):
        """None is needed."""
        return 0

    def unlearn(self, task, original, request, seed):
        """No change."""
        return Update()
