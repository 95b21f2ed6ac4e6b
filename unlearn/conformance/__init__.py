"""The conformance suite: what every method promises, checked on small models of real digits.

A package with a method of its own checks it with a test file:

    from unlearn.conformance import MethodSuite
    from my_package.shrinking import Shrink

    class TestShrink(MethodSuite):
        method = Shrink

Needs pytest; downloads nothing.
"""

from unlearn.conformance.subject import Subject
from unlearn.conformance.suite import MethodSuite

__all__ = ["MethodSuite", "Subject"]
