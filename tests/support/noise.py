"""Noise made with small models."""

from tests.support.jobs import job
from unlearn.jobs.perturb import make_noise
from unlearn.study import schema


def described(kind="error_minimizing", **parameters):
    own = {"epsilon": 0.1, "batch_size": 32} if kind != "random" else {"epsilon": 0.1}
    if kind == "error_minimizing":
        own |= {"rounds": 6, "steps": 5, "stop_error": 0.02, "model": "cnn1"}
    if kind == "error_maximizing":
        own |= {"epochs": 4, "steps": 5, "model": "cnn1"}
    block = schema.with_defaults(own | parameters, schema.read("noises")[kind])
    return job("cnn1") | {"noise": {"kind": kind, "parameters": block}}


def made(digits, kind="error_minimizing", **parameters):
    return make_noise(digits, described(kind, **parameters))
