"""The files of a study are read strictly: what is wrong is said with file and line."""

import json

import pytest
import yaml

from tests.support.project import ROOT, TINY
from unlearn.storage import study_files
from unlearn.study.load import StudyError, check_files, load_files, load_study

TEXT = yaml.safe_dump(TINY, sort_keys=False)

MERGES = "\n".join(
    [f"a0: &a0 {{{', '.join(f'k{i}: 1' for i in range(100))}}}"]
    + [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 9)]
)
"""Ten to the tenth keys, in nine lines."""

BAD_FILES = {
    "a key given twice": (
        "study: a\nseeds: 1\nseeds: 2\n",
        "line 3: the key 'seeds' is given twice, first in line 2",
    ),
    "a key given twice in a block": (
        "study: a\nrecipes:\n  quick: {lr: 1,\n    epochs: 2, lr: 3}\n",
        "line 4: the key 'lr' is given twice, first in line 3",
    ),
    "a key given twice in a list": (
        "a: [{b: 1, 'b': 2}]\n",
        "line 1: the key 'b' is given twice, first in line 1",
    ),
    "two merges": ("a: &a {b: 1}\nc:\n  <<: *a\n  <<: *a\n", "line 4: the key '<<' is given twice"),
    "a list that does not end": (
        "study: a\nseeds: [1\nfleet: 3\n",
        "line 3: is not valid YAML: while parsing a flow sequence",
    ),
    "a tab": ("study: a\nrecipes:\n\tquick: {}\n", "line 3: is not valid YAML"),
    "an alias of nothing": ("study: *a\n", "line 1: is not valid YAML: found undefined alias"),
    "a key that is a list": ("? [1, 2]\n: 3\n", "line 1: is not valid YAML"),
    "Python": ("study: !!python/object/apply:os.system [ls]\n", "line 1: is not valid YAML"),
    "a template": (
        "study: a\n__use_yte__: true\n?print(1):\n  b: 2\n",
        "line 2: __use_yte__ would run Python from a study",
    ),
    "nothing": ("", "has no keys at its top level"),
    "a list": ("- 1\n", "has no keys at its top level"),
    "a key given twice in JSON": ('{"study": "a", "study": "b"}', "the key 'study' is given twice"),
    "levels without end": ("a: " + "[" * 5000 + "]" * 5000, "is nested too deep"),
    "levels without end in JSON": ("[" * 100_000 + "]" * 100_000, "is nested too deep"),
    "digits without end": (
        "study: a\nseeds: " + "9" * 5000,
        "line 2: the whole number 9999999999... has 5,000 letters; allowed: at most 100",
    ),
    "digits without end in a key": ("9" * 5000 + ": 1", "line 1: the whole number 9999999999..."),
    "digits without end in JSON": (
        '{"study": "a",\n"seeds": -' + "9" * 5000 + "}",
        "line 2: the whole number -999999999... has 5,001 letters; allowed: at most 100",
    ),
    "merges without end": (MERGES, "line 9: `<<` merges more than 20,000 keys"),
    "merges of one large block": (
        f"a: &a {{{', '.join(f'k{i}: 1' for i in range(300))}}}\n"
        + "\n".join(f"b{i}: {{<<: *a}}" for i in range(70)),
        "`<<` merges more than 20,000 keys",
    ),
    "a chain of merges": (
        "a0: &a0 {k: 1}\n" + "\n".join(f"a{i}: &a{i} {{<<: *a{i - 1}}}" for i in range(1, 5000)),
        "is nested too deep",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_is_refused_with_its_line(case, tmp_path):
    text, expected = BAD_FILES[case]
    path = tmp_path / "my.yaml"
    path.write_text(text)
    with pytest.raises(StudyError) as error:
        load_files([path])
    message = str(error.value)
    assert message.startswith(str(path)) and expected in message and "\n" not in message, message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"nowhere.yaml: cannot be read: No such file"):
        load_files([tmp_path / "nowhere.yaml"])
    (tmp_path / "latin.yaml").write_bytes(b"study: caf\xe9\n")
    with pytest.raises(StudyError, match=r"latin.yaml: is not text in UTF-8"):
        load_files([tmp_path / "latin.yaml"])


@pytest.mark.parametrize("path", ["config.yaml", "configs/demo.yaml", "configs/every_part.yaml"])
def test_a_file_is_read_as_snakemake_reads_it(path):
    assert study_files.read(ROOT / path) == yaml.safe_load((ROOT / path).read_text())


def test_merged_keys_are_no_keys_given_twice(tmp_path):
    (tmp_path / "my.yaml").write_text("a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\n")
    assert study_files.read(tmp_path / "my.yaml")["d"] == {"b": 3, "c": 2}


def test_a_block_that_merges_itself_is_refused_or_read_at_once(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("study: a\nb: &b {<<: *b, c: 1}\n")
    assert study_files.read(path)["b"] == {"c": 1}


def test_later_files_are_laid_over_earlier_ones(tmp_path):
    (tmp_path / "base.yaml").write_text(TEXT)
    (tmp_path / "more.json").write_text(
        json.dumps({"seeds": 1, "experiments": {"accuracy": {"method+": ["naive_finetuning"]}}})
    )
    plan = load_files([tmp_path / "base.yaml", tmp_path / "more.json"])
    assert len(plan.cells) == 5 * 2 and list(plan.fleets) == ["seed0"]


def test_a_loaded_configuration_is_checked_in_its_files_too(tmp_path):
    """Snakemake has read them already, and let the last of two keys win; a pipe is used up."""
    path = tmp_path / "my.yaml"
    path.write_text(f"{TEXT}seeds: 2\n")
    config = yaml.safe_load(path.read_text())
    assert load_study(config, "my.yaml").cells
    with pytest.raises(StudyError, match="the key 'seeds' is given twice, first in line 2"):
        load_study(config, "my.yaml", [path])
    check_files(["/dev/null"])


def refused(project, *arguments):
    process = project.snakemake("-n", *arguments, check=False)
    output = process.stdout + process.stderr
    assert process.returncode and "Traceback" not in output, output
    return output


def test_the_workflow_refuses_what_snakemake_reads_over(project):
    """Though not values of the command line that replace those of the file."""
    process = project.snakemake("-n", "--config", "seeds=1")
    assert "seed0" in process.stdout + process.stderr
    study = project.root / "study.yaml"
    study.write_text(f"{TEXT}seeds: 3\n")
    line = len(TEXT.splitlines()) + 1
    message = f"study.yaml, line {line}: the key 'seeds' is given twice, first in line 2"
    assert message in refused(project)
    study.write_text(f"{TEXT}__use_yte__: true\n")
    assert f"study.yaml, line {line}: __use_yte__ would run Python" in refused(project)


def test_the_default_study_is_checked_before_snakemake_reads_it(project):
    config = project.root / "config.yaml"
    config.write_text("study: [a\nseeds: 3\n")
    process = project.snakemake("-n", study=None, check=False)
    output = process.stdout + process.stderr
    assert process.returncode and "config.yaml, line 2: is not valid YAML" in output
    config.write_text(f"{TEXT}{MERGES}\n")
    process = project.snakemake("-n", study=None, check=False)
    assert "`<<` merges more than 20,000 keys" in process.stdout + process.stderr
    config.write_text("study: a\n__use_yte__: true\n?open('run', 'w').close():\n  seeds: 1\n")
    process = project.snakemake("-n", study=None, check=False)
    assert "config.yaml, line 2: __use_yte__ would run Python" in process.stdout + process.stderr
    assert not (project.root / "run").exists()
