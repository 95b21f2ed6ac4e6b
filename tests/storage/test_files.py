"""Files are there whole or not at all, and say when they are broken."""

import resource
import signal

import numpy as np
import pytest

from unlearn.storage.files import (
    ArtifactError,
    digest,
    read_array,
    read_arrays,
    read_json,
    write_array,
    write_arrays,
    write_json,
)
from unlearn.storage.fleet import Fleet, write_fleet

STATES = [{"w": np.full((2, 3), k, np.float32), "n": np.array(k)} for k in range(3)]


def test_fleet_round_trip_reads_one_model_at_a_time(tmp_path):
    path = tmp_path / "a" / "fleet.safetensors"
    write_fleet(path, STATES, {"dataset": "x"})
    fleet = Fleet(path, {"dataset": "x"})
    assert len(fleet) == 3
    for k, state in enumerate(STATES):
        assert set(fleet[k]) == {"w", "n"}
        assert all(np.array_equal(fleet[k][name], state[name]) for name in state)
        assert fleet[k]["n"].shape == ()


def test_fleet_keeps_values_whatever_their_order_in_memory(tmp_path):
    """Convolution weights lie channels-last in memory."""
    values = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    strided = values.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    assert not strided.flags.c_contiguous
    write_fleet(tmp_path / "f", [{"w": strided}, {"w": strided + 1}], {})
    fleet = Fleet(tmp_path / "f")
    assert np.array_equal(fleet[0]["w"], values) and np.array_equal(fleet[1]["w"], values + 1)


def test_empty_fleet(tmp_path):
    write_fleet(tmp_path / "f", [], {})
    assert len(Fleet(tmp_path / "f")) == 0


def test_fleet_of_another_study_is_refused(tmp_path):
    write_fleet(tmp_path / "f", STATES, {"dataset": "x"})
    with pytest.raises(ArtifactError, match="another study: dataset is x, here y"):
        Fleet(tmp_path / "f", {"dataset": "y"})


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda p: write_fleet(p, STATES, {}), lambda p: Fleet(p)[0]["w"]),
        (lambda p: write_array(p, np.arange(99)), read_array),
        (lambda p: write_arrays(p, {"a": np.arange(99)}), read_arrays),
        (lambda p: write_json(p, {"a": 1}), read_json),
    ],
)
def test_truncated_and_missing_files_are_named(tmp_path, write, read):
    path = tmp_path / "file"
    with pytest.raises(ArtifactError, match=r"file: there is no such file"):
        read(path)
    write(path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArtifactError, match=r"file: cannot be read, it is broken"):
        read(path)


def test_pickles_are_never_read(tmp_path):
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ArtifactError, match="broken"):
        read_array(tmp_path / "evil.npy")


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_no_space_is_a_clear_error_without_half_a_file(tmp_path):
    """A limit on file sizes makes the same system call fail that a full disk does."""
    path = tmp_path / "big.npy"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ArtifactError, match=r"big.npy: cannot be written"):
            write_array(path, np.zeros(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)
    assert list(tmp_path.iterdir()) == []


def test_digest_sees_values_shape_and_type():
    a = np.arange(6)
    others = [a + 1, a.reshape(2, 3), a.astype(np.int32)]
    assert digest(a) == digest(a.copy())
    assert len({digest(x) for x in [a, *others]}) == 4
