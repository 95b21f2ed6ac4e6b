"""The outputs of a torch job, written when it succeeds and when its method fails.

A method that raises must not stop the other cells, so its failure is a result: an empty fleet and
a `costs.json` that says why. Rule `complete` ends the run with an error for it and removes it, so
that the next call tries again. Trouble with files or memory is no result: the job itself fails.
"""

import argparse
import os
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from scripts.command import CommandError, CommandParser
from unlearn.jobs.description import FleetJob, seeds
from unlearn.jobs.measure import Store
from unlearn.jobs.result import Result
from unlearn.storage.files import ArtifactError, UserFileError, digest, write_array, write_costs
from unlearn.storage.fleet import Fleet, write_fleet
from unlearn.training.device import Machine, MachineError

CACHE_VARIABLE = "SNAKEMAKE_OUTPUT_CACHE"
"""Where it is set, Snakemake may give what rule `train` writes to other workflows."""

OUTPUTS = {
    "fleet": "weights, safetensors",
    "logits": "logits, npy",
    "ids": "the training ids of the first rows of the logits, npy",
    "votes": "votes of constituents, npy",
    "costs": "costs and status, json",
}


def add_outputs(parser: CommandParser) -> None:
    """The output arguments."""
    for name, content in OUTPUTS.items():
        parser.add_output(name, content, is_recorded=name != "costs")


def write(
    arguments: argparse.Namespace,
    job: FleetJob,
    identity: Mapping[str, str],
    work: Callable[[Store], Result],
) -> None:
    """Do the work and write its result or its failure.

    Args:
        arguments: The paths of the outputs.
        job: The description of the job.
        identity: The origin of the fleet.
        work: Returns the result; it is given what writes tensors to permanent storage.

    Raises:
        OSError, MemoryError, ArtifactError, UserFileError, MachineError: Trouble that is no result.
    """
    error = None
    try:
        result = work(_storage(Path(arguments.fleet)))
    except (OSError, MemoryError, ArtifactError, UserFileError, MachineError):
        raise
    except Exception as failure:
        # torch has an exception of its own for too little memory on a GPU, none on a CPU
        if isinstance(failure, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(failure):
            raise
        traceback.print_exc()
        if job.method is None and CACHE_VARIABLE in os.environ:
            raise CommandError(
                "the shared cache keeps no failed training, so this job fails"
            ) from None
        result = Result.failed()
        error = f"{type(failure).__name__}: {failure}"
    if result.machine:
        identity = {**identity, "arithmetic": result.machine["arithmetic"]}
    write_fleet(arguments.fleet, result.states if job.keeps_weights else [], identity)
    write_array(arguments.logits, result.logits)
    write_array(arguments.ids, result.ids)
    write_array(arguments.votes, result.votes)
    if "constituents" in arguments:
        write_fleet(arguments.constituents, [result.constituents], identity)
    record = {
        "status": "failed" if error else "ok",
        "error": error,
        "seeds": seeds(job.members),
        "members": [member.describe() for member in job.members],
        "train_ids_sha256": list(result.train_ids_sha256),
        "machine": result.machine,
        "models": result.costs,
        "weights": list(result.compared),
        "certificates": list(result.certificates),
        "private_digests": list(result.private_digests),
        "evaluation_seconds": result.evaluation_seconds,
        "superseded": list(result.superseded),
        "outputs_sha256": digest(result.logits, result.votes, result.ids),
    }
    write_costs(arguments.costs, record)


def _storage(fleet: Path) -> Store:
    """Writes tensors as a service would, beside where the fleet will lie, and removes them."""
    scratch = fleet.with_name(f".{fleet.name}.timed")

    def store(tensors: Mapping[str, np.ndarray]) -> None:
        write_fleet(scratch, [tensors], {})
        scratch.unlink()

    return store


def check_arithmetic(fleet: Fleet, machine: Machine) -> None:
    """ArtifactError unless a fleet was computed in this machine's arithmetic."""
    if fleet.identity["arithmetic"] != machine.arithmetic:
        raise ArtifactError(
            f"{fleet.path}: trained in other arithmetic ({fleet.identity['arithmetic']}) than "
            f"this machine's ({machine.arithmetic}); use one kind of machine, or train again"
        )
