"""Certificates of a finished study: the gate, the rule, the command, and what verification catches."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from tests.support import clipped_noise
from tests.support.project import ROOT, Project, new_project
from unlearn.certificates.record import Certificate, recompute
from unlearn.certification.artefacts import read_subject
from unlearn.certification.command_line import main
from unlearn.certification.document import document
from unlearn.certification.layout import cell_of
from unlearn.storage.files import digest, read_costs
from unlearn.storage.records import file_digest
from unlearn.study import schema
from unlearn.study.grid import Cell

pytestmark = pytest.mark.xdist_group("certification")

VARIANTS = ("clipped_noise", "finetune", "sisa-shards=2", "retrain")


@pytest.fixture(scope="module")
def certified_once(tmp_path_factory) -> Project:
    """A finished study of a certified method, of its cheats, of exact and of uncertified ones."""
    project = new_project(tmp_path_factory.mktemp("certified") / "project")
    clipped_noise.install(project)
    process = project.snakemake("--cores", "1", check=False)
    (project.root / "run.log").write_text(process.stdout + process.stderr)
    project.run(*map(certificate_name, VARIANTS))
    return project


@pytest.fixture
def results(certified_once, tmp_path) -> Path:
    """A private copy of the results."""
    return Path(shutil.copytree(certified_once.results(), tmp_path / "results"))


def certificate_name(variant: str) -> str:
    return f"certificates/{clipped_noise.cell(variant)}/certificate.json"


def read(results: Path, variant: str = clipped_noise.NAME) -> dict:
    return json.loads((results / certificate_name(variant)).read_text())


def names(entry: dict) -> set[str]:
    """The tensors that still know the points."""
    return {remnant["name"] for remnant in entry["remnants"]}


def write(results: Path, content: dict, variant: str = clipped_noise.NAME) -> Path:
    """A certificate as somebody has edited it, its job's record with it."""
    path = results / certificate_name(variant)
    path.write_text(json.dumps(content))
    path.with_name("record.json").unlink(missing_ok=True)
    return path


def verified(capsys, *words: object) -> tuple[int, list[str]]:
    """The exit status of `unlearn verify` and its lines."""
    status = main(["verify", *map(str, words)])
    return status, capsys.readouterr().out.splitlines()


def check_caught(capsys, path: Path, *parts: str) -> None:
    """The last line names what differs; those before agree."""
    status, lines = verified(capsys, path)
    assert status == 1
    assert lines[-1].startswith("differs: ") and all(part in lines[-1] for part in parts), lines
    assert all(line.startswith("agrees: ") for line in lines[:-1])


# -- the gate


@pytest.mark.parametrize(
    "cheat, reason",
    [
        ("silence", "the plan says certified, the method claims nothing"),
        ("noise", "mu: 0.26805112"),
        ("ledger", "ledger, entry 1: deleted_points: 9 is claimed; the request has 10"),
        ("level", "level: 'approximate' is claimed; the plan says 'certified'"),
    ],
)
def test_a_cell_whose_claim_does_not_hold_is_refused(cheat, reason, certified_once):
    folder = certified_once.results(
        f"scores/{clipped_noise.cell(f'{clipped_noise.NAME}-cheat={cheat}')}"
    )
    (refusal,) = json.loads((folder / "gates.json").read_text())["refused"]
    assert refusal.startswith("certificate: seed 0, step 1: ") and reason in refusal
    assert refusal in (certified_once.root / "run.log").read_text()
    scores = (folder / "scores.csv").read_text()
    assert ",gate_certificate,forget,1.0" in scores and ",accuracy," not in scores
    certificate = certified_once.results(certificate_name(f"{clipped_noise.NAME}-cheat={cheat}"))
    assert main(["certify", str(folder), "--output", str(certificate)]) == 1
    assert not certificate.exists()


def test_honest_cells_pass(certified_once):
    for variant in VARIANTS:
        folder = certified_once.results(f"scores/{clipped_noise.cell(variant)}")
        assert json.loads((folder / "gates.json").read_text())["refused"] == []


# -- the certificate


def test_a_certified_cell_promises_its_epsilon_at_every_step(results):
    certificate = read(results)
    assert [(e["seed"], e["step"]) for e in certificate["entries"]] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
    ]
    for entry in certificate["entries"]:
        assert entry["promise"]["level"] == "certified"
        assert entry["promise"]["recomputed"]["epsilon"] == pytest.approx(1, rel=1e-9)
        assert entry["promise"]["record"]["clipping"]["start"] == 0.5
        assert {"kind": "stored", "name": "state/secret/factor"}.items() <= {
            key: value
            for remnant in entry["remnants"]
            if remnant["name"] == "state/secret/factor"
            for key, value in remnant.items()
        }.items()
    assert certificate["method"]["parameters"]["radius"] == 0.5


def test_its_digests_are_those_of_the_artefacts(results):
    """By hand, from the files."""
    first, second = read(results)["entries"][:2]
    request = np.load(results / f"requests/digits/{clipped_noise.REQUEST}/request.npz")
    all_ids = np.union1d(request["delete_0"], request["delete_1"])
    assert first["deleted"] == {"points": 10, "sha256": digest(request["delete_0"])}
    assert second["deleted"] == {"points": 20, "sha256": digest(all_ids)}
    kept_ids = np.setdiff1d(np.arange(200), all_ids)
    assert second["retained"] == {"points": 180, "sha256": digest(kept_ids)}
    assert second["parent_sha256"] == first["weights"]["sha256"]
    superseded = {remnant["name"]: remnant["sha256"] for remnant in first["remnants"]}
    trained = load_file(results / "trained/digits/mlp/standard/seeds0-1/trained.safetensors")
    for name, tensor in trained.items():
        assert superseded[f"trained/{name}"] == digest(tensor[0])
    previous = {"kind": "superseded", "name": "unlearned/step 1"}
    assert previous | {"sha256": first["weights"]["sha256"]} in second["remnants"]


def test_other_cells_say_what_was_measured(results):
    levels = {
        variant: {entry["promise"]["level"] for entry in read(results, variant)["entries"]}
        for variant in VARIANTS
    }
    assert levels == {
        "clipped_noise": {"certified"},
        "finetune": {"none"},
        "sisa-shards=2": {"exact"},
        "retrain": {"exact"},
    }
    entry = read(results, "finetune")["entries"][1]
    assert entry["promise"]["record"] is None and entry["promise"]["reference"] is None
    assert entry["measured"]["kl/forget"] > 0 and "attack_auc/forget" in entry["measured"]
    assert not any(name.startswith("wall_seconds") for name in entry["measured"])
    floors = read(results, "retrain")["entries"][1]["measured"]
    assert floors["kl_reseeded/forget"] > 0


def test_an_ensemble_keeps_no_weights_between_steps(results):
    first, second = read(results, "sisa-shards=2")["entries"][:2]
    assert first["weights"] == {"sha256": None, "tensors": []}
    assert second["parent_sha256"] is None
    layers = {name for name in second["weights"]["tensors"] if "/model/" in name}
    assert len(layers) == 2 * 4
    assert {f"trained/{name}" for name in layers} <= names(first)


def test_nobody_asks_for_certificates_but_by_name(certified_once):
    log = (certified_once.root / "run.log").read_text()
    assert "rule certificate:" not in log
    assert not certified_once.planned(f"results/tiny/{certificate_name('finetune')}")


# -- verification


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sound_certificate_agrees(variant, results, capsys):
    status, lines = verified(capsys, results / certificate_name(variant))
    assert status == 0 and all(line.startswith("agrees: ") for line in lines)
    assert "agrees: seed 1, step 2: weights" in lines


def test_edited_weights_are_caught(results, capsys):
    path = results / f"unlearned/{clipped_noise.cell(clipped_noise.NAME)}/unlearned.safetensors"
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["3.bias"][1, 1, 0] += 1e-6
    save_file(tensors, path, metadata=metadata)
    certificate = results / certificate_name(clipped_noise.NAME)
    check_caught(capsys, certificate, "unlearned.safetensors", "is not the file that its record")
    hide(path)
    check_caught(capsys, certificate, "seed 1, step 2: weights", "sha256")


def hide(path: Path) -> None:
    """Make the record of a folder agree with a file that was edited."""
    record_path = path.with_name("record.json")
    record = json.loads(record_path.read_text())
    entry = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
    record["files"][path.name] = entry
    record_path.write_text(json.dumps(record))
    os.utime(path)


def test_edited_ids_are_caught(results, capsys):
    certificate = read(results)
    certificate["entries"][1]["deleted"]["sha256"] = digest(np.arange(20))
    check_caught(capsys, write(results, certificate), "seed 0, step 2: deleted", "sha256")


def test_other_points_in_the_request_are_caught(results, capsys):
    path = results / f"requests/digits/{clipped_noise.REQUEST}/request.npz"
    arrays = dict(np.load(path))
    free_ids = np.setdiff1d(np.arange(200), np.union1d(arrays["delete_0"], arrays["delete_1"]))
    arrays["delete_0"] = np.sort(np.append(arrays["delete_0"][1:], free_ids[0]))
    np.savez(path, **arrays)
    hide(path)
    check_caught(capsys, results / certificate_name("finetune"), "artefacts", "request is")


@pytest.mark.parametrize("variant", ["clipped_noise", "finetune"])
def test_another_code_hash_is_caught(variant, results, capsys):
    certificate = read(results, variant)
    certificate["method"]["code_sha256"] = "0" * 64
    check_caught(capsys, write(results, certificate, variant), "method.code_sha256", "0" * 64)


@pytest.mark.parametrize("place", ["record", "recomputed"])
def test_an_epsilon_edited_by_a_millionth_is_caught(place, results, capsys):
    certificate = read(results)
    certificate["entries"][2]["promise"][place]["epsilon"] -= 1e-6
    check_caught(capsys, write(results, certificate), "seed 1, step 1: ", "epsilon", "0.999999")


def test_a_noise_that_was_divided_is_caught_by_its_record(results, capsys):
    certificate = read(results)
    certificate["entries"][0]["promise"]["record"]["noise"] /= 100
    check_caught(
        capsys, write(results, certificate), "seed 0, step 1: epsilon from the record", "mu"
    )


def test_a_record_that_fits_itself_and_not_the_cell_is_caught(results, capsys):
    """Noise, mu and epsilon edited together."""
    certificate = read(results)
    promise = certificate["entries"][0]["promise"]
    record = Certificate.from_json(json.dumps(promise["record"]))
    record = replace(record, noise=2 * record.noise)
    claims = recompute(record)._asdict()
    promise["record"] = json.loads(replace(record, **claims).to_json())
    promise["recomputed"] = claims
    check_caught(capsys, write(results, certificate), "seed 0, step 1: promise", "promise.")


def test_a_certificate_of_another_cell_is_caught(results, capsys):
    content = read(results, "retrain")
    check_caught(capsys, write(results, content, "finetune"), "folder: cell.variant", "retrain")
    content["cell"]["variant"] = "finetune"
    check_caught(capsys, write(results, content, "finetune"), "method.")


def test_a_certificate_without_a_key_is_caught(results, capsys):
    certificate = read(results)
    del certificate["entries"][0]["retained"]
    check_caught(capsys, write(results, certificate), "form: entries.0", "retained")
    certificate = read(results, "finetune") | {"format": 2}
    check_caught(capsys, write(results, certificate, "finetune"), "form: format")


def test_edited_words_are_caught(results, capsys):
    certificate = read(results)
    certificate["covered"].append("backups")
    check_caught(capsys, write(results, certificate), "covered")


def test_a_missing_artefact_is_named(results, capsys):
    (results / "data/digits/test_labels.npy").unlink()
    check_caught(capsys, results / certificate_name(clipped_noise.NAME), "test_labels.npy")


# -- the command


def test_the_command_writes_what_the_rule_writes(results, tmp_path, capsys):
    output = tmp_path / "copy.json"
    folder = results / f"unlearned/{clipped_noise.cell(clipped_noise.NAME)}"
    assert main(["certify", str(folder), "--output", str(output)]) == 0
    assert "4 entries, certified" in capsys.readouterr().out
    assert output.read_bytes() == (results / certificate_name(clipped_noise.NAME)).read_bytes()
    status, lines = verified(capsys, output, "--results", results)
    assert status == 0 and len(lines) > 40
    assert main(["verify", str(output)]) == 1
    assert "lies in no results; name them by --results" in capsys.readouterr().err


def test_it_needs_neither_torch_nor_installation(results):
    """In a clone, with an import of torch that fails."""
    path = results / certificate_name("finetune")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from unlearn.certification.command_line import main\n"
        f"sys.exit(main(['verify', {str(path)!r}]))"
    )
    for call in (["-c", program], ["-m", "unlearn", "verify", str(path)]):
        process = subprocess.run(
            [sys.executable, *call], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.startswith("agrees: form\n")


def test_what_is_no_cell_is_refused(results, capsys):
    assert main(["certify", str(results / "data"), "--output", "none.json"]) == 1
    assert "is no cell; allowed: the folder of a cell" in capsys.readouterr().err
    assert main(["verify", str(results / "absent.json")]) == 1
    assert "absent.json: there is no such file" in capsys.readouterr().err


def test_a_cell_is_told_by_its_folder(results):
    folder = results / f"scores/{clipped_noise.cell('finetune')}"
    expected = Cell("digits", "mlp", "finetune", clipped_noise.REQUEST, clipped_noise.FLEET)
    assert cell_of(folder / "scores.csv") == cell_of(folder) == (results, expected)
    content = json.loads(json.dumps(document(read_subject(*cell_of(folder)))))
    assert content == read(results, "finetune")
    schema.check(content, schema.certificate_schema())


def test_costs_have_the_digests_of_private_tensors(results):
    folder = results / "unlearned"
    costs = read_costs(folder / clipped_noise.cell(clipped_noise.NAME) / "costs.json")
    assert [len(steps) for steps in costs["private_digests"]] == [2, 2]
    assert set(costs["private_digests"][0][0]) == {"secret/factor"}
    assert (
        read_costs(folder / clipped_noise.cell("finetune") / "costs.json")["private_digests"] == []
    )
