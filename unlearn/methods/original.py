"""Do nothing: the negative control."""

from unlearn.methods.base import Method, Update


class Original(Method):
    """Do nothing. The negative control: every method must beat it."""

    trainer = None
    reads = frozenset()
    changes_weights = False

    def unlearn(self, task, original, request, seed):
        """No change."""
        return Update()
