"""The accountant as a notebook meets it."""

import textwrap

import pytest

from unlearn.api import certificates


def test_the_example_of_the_module_gives_the_promised_epsilon():
    example = certificates.__doc__.split("\n\n")[1]
    names = dict(vars(certificates))
    exec(textwrap.dedent(example), names)
    mu = certificates.langevin(names["descent"], names["sigma"]).mu
    assert certificates.epsilon_of(mu, 1e-5) == pytest.approx(1)
