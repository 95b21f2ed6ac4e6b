"""Calls that tests fork say and do what a call of one's own would."""

import pytest

pytestmark = pytest.mark.xdist_group("reruns")


def test_a_forked_call_plans_what_a_new_process_plans(small):
    assert small.planned() == small.planned(alone=True) != []
    small.write_study({"study": "nothing"})
    calls = [small.snakemake("-n", check=False, alone=alone) for alone in (False, True)]
    assert calls[0].returncode == calls[1].returncode != 0
    assert calls[0].stderr.splitlines()[-1] == calls[1].stderr.splitlines()[-1]


def test_a_forked_call_reads_the_copy_that_it_runs_in(small):
    small.edit("Snakefile", "rule all:", 'print("one", file=sys.stderr)\n\n\nrule all:')
    small.edit("Snakefile", "from scripts", "import sys\n\nfrom scripts")
    assert "one" in small.snakemake("-n").stderr.splitlines()
    small.edit("Snakefile", '"one"', '"two"')
    assert "two" in small.snakemake("-n").stderr.splitlines()
