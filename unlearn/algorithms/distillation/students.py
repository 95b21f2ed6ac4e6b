"""Students of influence distillation: their teachers, their training, their state."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from unlearn.algorithms.distillation.parameters import StudentParameters
from unlearn.algorithms.influence.forget_weights import ForgetWeights, InfluencedModel
from unlearn.algorithms.losses import Distance, Distillation, Push, cross_entropy
from unlearn.core import seeding
from unlearn.models.layers import has_batch_statistics
from unlearn.requests.request import Step
from unlearn.training.cyclic_batches import CyclicBatches
from unlearn.training.state import State, Update, state_of
from unlearn.training.task import Task, index_of

MIN_DELETED_PER_BATCH = 8
"""Deleted points of a minibatch, at least."""

RETAINED_PER_DELETED = 4
"""Retained points of a minibatch for each deleted one, where that is not fewer."""


@dataclass
class Teacher:
    """The model that a student learns from."""

    task: Task
    """The task as the teacher's networks see it."""
    state: State
    cache: State
    """The logits computed so far: `cache/logits`, `cache/present`."""


@dataclass(frozen=True)
class Lesson:
    """The points that a student learns from, and what it is told of them."""

    retain_ids: np.ndarray
    pushed_ids: np.ndarray
    """The deleted points that the student is pushed off; empty where nothing is pushed."""
    teacher_logits: torch.Tensor
    """N x C, by training id."""
    weights: torch.Tensor
    """N, by training id: the weights of the pushed points."""
    seed: int
    """Decides the order of the points."""


@dataclass(frozen=True)
class Student:
    """A trained student."""

    tensors: State
    cache: State
    """The cache of its teacher."""


def unlearn(
    method: StudentParameters, task: Task, original: State, request: Step, seed: int
) -> Update:
    """The student, and what the next request needs.

    Args:
        method: The hyper-parameters.
        task: Data, networks, recipe, machine and meter of the teacher.
        original: The trained model, or the state after the request before.
        request: The step to be served.
        seed: That of the member.

    Raises:
        ValueError: No point is left, or an influence cannot be computed.
    """
    if not len(request.retain_ids):
        raise ValueError("no training data left")
    student_task = method.student_task(task)
    teacher = _teacher(method, task, original, request, seed)
    chained = method.stream == "chained" and method.teacher == "original"
    deleted_ids = request.deleted_ids if chained else request.forget_ids
    pushes = method.weights != "none" and method.beta > 0
    pushed_ids = deleted_ids if pushes else deleted_ids[:0]
    cache = _filled_cache(method, task, teacher, request.retain_ids, pushed_ids)
    weights = torch.zeros(len(task.data.train_labels))
    if len(pushed_ids):
        weighed = InfluencedModel(teacher.task, teacher.state, cache["cache/logits"])
        forget_weights = ForgetWeights(
            kind=method.weights,
            cap=method.cap,
            damping=method.damping,
            layers=method.layers,
            curvature_points=method.curvature_points,
            max_solved_points=method.most_points,
        )
        weights[pushed_ids] = forget_weights.of(weighed, pushed_ids, request.retain_ids, seed)
    if method.start == "teacher":
        model = student_task.model(teacher.state)
    else:
        initial_seed = seeding.derive(seed, "initial weights")
        model = student_task.new_model(initial_seed, request.retain_ids)
    lesson = Lesson(request.retain_ids, pushed_ids, cache["cache/logits"], weights, seed)
    push = Push(math.log(task.data.classes) if method.bounded else math.inf)
    _learn(method, student_task, model, lesson, push)
    if push.points:
        task.meter.count("active_fraction", float(push.active) / push.points)
    student = Student(state_of(model), cache)
    return _update(method, task, original, student, request.retain_ids)


def _teacher(
    method: StudentParameters, task: Task, original: State, request: Step, seed: int
) -> Teacher:
    """The teacher of a request.

    Args:
        method: The hyper-parameters.
        task: The task of the trained model.
        original: The state that the request met.
        request: The request; its retain set trains a new teacher where `teacher: retrained`.
        seed: That of the member.
    """
    if method.teacher == "retrained":
        state = task.trainer.train(task, request.retain_ids, seed)
        return Teacher(task, state, state)
    if not int(np.asarray(original["cache/generation"])):
        return Teacher(task, original, original)
    if method.stream == "chained":
        return Teacher(method.student_task(task), original, original)
    names = [n.removeprefix("teacher/") for n in original if n.startswith("teacher/")]
    return Teacher(task, {name: original[f"teacher/{name}"] for name in names}, original)


def _filled_cache(
    method: StudentParameters,
    task: Task,
    teacher: Teacher,
    retain_ids: np.ndarray,
    pushed_ids: np.ndarray,
) -> State:
    """The cache with the teacher's logits of all points that the student needs.

    Args:
        method: The hyper-parameters: they say which points are needed.
        task: Its trainer fills the cache.
        teacher: The teacher, with its cache.
        retain_ids: The retain set.
        pushed_ids: The points that the student is pushed off.
    """
    needed_ids = [retain_ids[:0]]
    if method.alpha > 0:
        needed_ids.insert(0, retain_ids)
    if method.weights == "teacher_loss":
        needed_ids.insert(-1, pushed_ids)
    ids = np.concatenate(needed_ids)
    return task.trainer.filled_cache(teacher.task, teacher.state, teacher.cache, ids)


def _learn(
    method: StudentParameters,
    task: Task,
    model: nn.Module,
    lesson: Lesson,
    push: Push,
) -> None:
    """Train the student in place; training ends early where it diverges.

    Args:
        method: The hyper-parameters.
        task: The task as the student sees it.
        model: The student.
        lesson: Its points, teacher logits and weights.
        push: Counts the points that are pushed.
    """
    if len(lesson.pushed_ids) and has_batch_statistics(model):
        warnings.warn(
            "batch normalisation lets deleted points into the statistics of the student; "
            "allowed without: cnn1, cnn2, mlp, logistic",
            stacklevel=3,
        )
    batches = math.ceil(len(task.data.ids) / method.batch_size)
    optimizer = task.optimizer(
        model,
        lr=method.lr,
        clip=math.inf if method.clip is None else method.clip,
        steps=method.epochs * batches,
        schedule=method.schedule,
        optimizer="sgd",
        momentum=method.momentum,
        weight_decay=method.weight_decay,
    )
    distance = Distance(method.match, method.temperature)
    labels = task.data.train_labels
    device = labels.device
    teacher_targets = distance.target(lesson.teacher_logits.to(device))
    weights = lesson.weights.to(device)
    smoothing = task.recipe.label_smoothing
    student_loss = Distillation(method.alpha, method.beta, distance, push, smoothing)
    size = max(MIN_DELETED_PER_BATCH, method.batch_size // RETAINED_PER_DELETED)
    pushed_batches = CyclicBatches(
        lesson.pushed_ids, size, seeding.derive(lesson.seed, "deleted points")
    )
    task.progress.begin(method.epochs * batches, "distillation")
    order = seeding.derive(lesson.seed, "training")
    for epoch in range(method.epochs):
        for batch in task.minibatches(
            lesson.retain_ids,
            order,
            epoch,
            batch_size=method.batch_size,
            among=task.data.ids,
            augment=False,
        ):
            images = batch.images
            batch_labels = batch.labels
            pushed_ids = pushed_batches.next() if len(lesson.pushed_ids) else lesson.pushed_ids
            if len(pushed_ids):
                images = torch.cat([images, task.data.images(pushed_ids)])
                batch_labels = torch.cat([batch_labels, task.data.labels(pushed_ids)])
            logits = model(images)
            if method.alpha == 0 and not len(pushed_ids):
                loss = cross_entropy(logits, batch_labels, smoothing)
            else:
                targets = teacher_targets[index_of(batch.ids).to(device)]
                pushed_weights = weights[index_of(pushed_ids).to(device)]
                loss = student_loss(logits, batch_labels, targets, pushed_weights)
            if not optimizer.step(loss, epoch * batches + batch.index):
                return


def _update(
    method: StudentParameters,
    task: Task,
    original: State,
    student: Student,
    retain_ids: np.ndarray,
) -> Update:
    """The change from the state that the request met to the one that the next request meets.

    Args:
        method: The hyper-parameters.
        task: The task of the teacher.
        original: The state that the request met.
        student: The student and its teacher's cache.
        retain_ids: The retain set of the request.
    """
    generation = np.asarray(original["cache/generation"]) + 1
    old_names = task.trainer.served(original)
    tensors: dict = {}
    if method.stream == "chained":
        empty_cache = {name: torch.zeros_like(tensor) for name, tensor in student.cache.items()}
        student_task = method.student_task(task)
        tensors |= task.trainer.filled_cache(student_task, student.tensors, empty_cache, retain_ids)
    else:
        if _reads_original_teacher(method) and generation == 1:
            tensors |= {
                f"teacher/{name}": torch.as_tensor(original[name]).clone() for name in old_names
            }
        present = np.asarray(original["cache/present"])
        if _reads_original_teacher(method) and not np.array_equal(
            student.cache["cache/present"], present
        ):
            tensors |= {name: student.cache[name] for name in ("cache/logits", "cache/present")}
    tensors |= {**student.tensors, "cache/generation": generation}
    return Update(tensors, remove=set(old_names) - set(tensors))


def _reads_original_teacher(method: StudentParameters) -> bool:
    """Whether students of later requests need the original teacher."""
    needs_teacher = method.alpha > 0 or method.weights != "none" or method.start == "teacher"
    return needs_teacher and method.teacher == "original"
