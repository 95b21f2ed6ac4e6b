"""DELETE: distil the trained model on the deleted points, without the class of each."""

from types import MappingProxyType

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.requests.by_class import ByClass
from unlearn.requests.ids import Ids


class Delete(Method):
    """Teach a copy of the trained model what that model would say had it never known the class.

    On a deleted point the teacher's logit of the true class y is masked: what is left of its
    prediction says how alike the other classes are. Every step minimises, over deleted points,

        KL( softmax(z) || softmax(student) )     z = logits of the trained model, z_y = -infinity

    Of the retain set the labels are compared with those of deleted points, and no image is read.

    Cost:
        epochs x deleted points, forward and backward, and as many forward passes of the teacher.

    Pitfalls:
        Made for whole classes. On a random subset every point is pushed off its class, although
        the oracle predicts most of these points rightly, and all classes suffer. Nothing but the
        teacher's other logits holds the retain set: a rate that is too high ruins it. With batch
        normalisation, statistics over the deleted points alone do a part of the forgetting; frozen
        ones need a much smaller rate, and keep the retain set worse.

    References:
        Zhou, Zheng, Mo, Lu, Lin, Zheng, "Decoupled distillation to erase: a general unlearning
        method for any class-centric tasks", CVPR 2025.
    """

    label = "DELETE"
    reads = frozenset({"forget"})
    serves = ("delete",)
    continues = True
    conformance = MappingProxyType({"requests": "any"})
    conformance_variants = ({"batch_normalisation": "frozen"},)

    epochs: int = parameter(
        5, minimum=1, search=("choice", (2, 5, 10)), help="Passes over the deleted points."
    )
    lr: float = parameter(0.001, above=0, search=("log", 1e-5, 1e-2))
    batch_size: int | None = parameter(
        None, minimum=1, help="Points of a minibatch; null takes that of the recipe."
    )
    batch_normalisation: str = parameter(
        "train",
        choices=("train", "frozen"),
        search=("choice", ("train", "frozen")),
        help="Statistics of the minibatch, which move the running ones; or the trained model's.",
    )
    requests: str = parameter(
        "classes",
        choices=("classes", "any"),
        help="What is served: the deletion of whole classes, or of any points.",
    )

    def supports(self, setting):
        """Requests that delete a whole class at once; ids are looked at when they are served."""
        request = setting.request
        if request is None or self.requests == "any" or isinstance(request, Ids):
            return None
        if isinstance(request, ByClass) and request.fraction == 1 and request.steps == 1:
            return None
        return (
            "it forgets whole classes; allowed: by_class with fraction: 1 and steps: 1, ids of all "
            "points of classes, or any request with requests: any"
        )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every deleted point and epoch."""
        return self.epochs * deleted

    def unlearn(self, task, original, request, seed):
        """The trained model after `epochs` epochs; unchanged if nothing is deleted.

        ValueError if points of a class are deleted and others kept, unless `requests: any`.
        """
        import torch
        from torch.nn import functional

        from unlearn.algorithms.samples import check_whole_classes

        if self.requests == "classes":
            deleted_labels = task.data.labels(request.deleted_ids).cpu().numpy()
            retained_labels = task.data.labels(request.retain_ids).cpu().numpy()
            check_whole_classes(deleted_labels, retained_labels)
        teacher = task.model(original).eval()
        student = task.model(original)
        optimizer = task.optimizer(student, lr=self.lr)
        order = seeding.derive(seed, "delete")
        for epoch in range(self.epochs):
            for batch in task.minibatches(
                request.deleted_ids, order, epoch, batch_size=self.batch_size, min_points=1
            ):
                with torch.no_grad():
                    logits = teacher(batch.images)
                masked_logits = logits.scatter(1, batch.labels[:, None], -torch.inf)
                targets = functional.softmax(masked_logits, dim=1)
                student.train(self.batch_normalisation == "train" and len(batch.labels) > 1)
                student_logs = functional.log_softmax(student(batch.images), dim=1)
                optimizer.step(functional.kl_div(student_logs, targets, reduction="batchmean"))
        return Update(student)
