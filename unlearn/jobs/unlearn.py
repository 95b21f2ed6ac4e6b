"""Unlearn one request from a trained fleet with one method."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from unlearn.data.dataset import Dataset
from unlearn.jobs.measure import Measure, Store, changed_tensors
from unlearn.jobs.predict import Predictor
from unlearn.jobs.result import Result
from unlearn.jobs.setup import component, new_task
from unlearn.requests.request import Request
from unlearn.training.state import Changed


def unlearn_fleet(
    dataset: Dataset,
    job: Mapping,
    trained: Sequence[Mapping],
    request: Request,
    label: str = "",
    store: Store | None = None,
    constituents: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Result:
    """Unlearn a request, step by step, from each model of the trained fleet.

    `constituents`: those of the training job's result; they save predictions, nothing else.
    """
    task = new_task(dataset, job, label)
    method = component("methods", job["method"])
    steps = list(request.steps(len(dataset.train_labels), dataset.base))
    # a method whose models are of another architecture says so
    its = method.models(task) if hasattr(method, "models") else task
    measure, predict = Measure(task, store, its), Predictor(its, dataset, request, constituents)
    compared, states, superseded = its.trainer.parameters(its), [], set()
    continues = getattr(method, "continues", False)
    for k, seed in enumerate(job["seeds"]):
        state, weights = trained[k], {name: [] for name in compared}
        for step in steps:
            state = measure(method.unlearn, task, state, step, seed, before=state)
            predict(state)
            measure.outcome(predict)
            if continues and step.index > 1:  # what grew out of a broken model is no result
                measure.costs[-1]["diverged"] |= measure.costs[-2]["diverged"]
            for name in compared:
                weights[name].append(np.asarray(state[name]))
        changes = changed_tensors(state)
        kept = {n: np.stack(tensors) for n, tensors in weights.items()}
        served = [n for n in task.trainer.served(state) if n in changes and n not in kept]
        states.append(kept | {name: changes[name][None] for name in served})
        superseded |= set(state.changes) & set(trained[k]) if isinstance(state, Changed) else set()
    shape = (len(job["seeds"]), len(steps))
    return Result(
        states=states,
        logits=np.stack(predict.logits).reshape(*shape, *predict.logits[0].shape),
        votes=np.stack(predict.votes).reshape(*shape, *predict.votes[0].shape),
        costs=[measure.costs[i : i + shape[1]] for i in range(0, shape[0] * shape[1], shape[1])],
        parameters=compared,
        superseded=sorted(superseded),
        machine=task.machine.describe(),
        evaluation_seconds=predict.seconds,
    )
