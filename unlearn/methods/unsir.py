"""UNSIR: impair a class by noise that maximises its loss, then repair on a few retained points."""

from types import MappingProxyType

import numpy as np

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter
from unlearn.requests.by_class import ByClass
from unlearn.requests.ids import Ids


class Unsir(Method):
    """Impair and repair: teach that noise is the class to be forgotten, then mend the others.

    For every class c to be forgotten, a batch of noise n is found that maximises

        CE(n, c) - penalty mean( |n|^2 )

    by Adam on the inputs. The impair pass trains on a sample of D_r and on copies of the noise that
    are labelled c; the repair pass trains on the sample alone. Their steps minimise

        CE(retained points and noise of a minibatch)
        CE(retained points of a minibatch)

    No image of D_f is looked at, only its classes. The noise maximises the error, other than the
    noise of unlearnable examples.

    Cost:
        `noise_steps` gradients of `batch_size` images per class, then one pass over the sample and
        `noise_batches` batches of noise per class, then one pass over the sample.

    Pitfalls:
        Where points of a class are kept (`requests: any`), repair teaches the class again.
        Rates of Adam that suit large networks ruin small ones; too low ones leave the class known.
        The sample is all that holds the retained classes, so their accuracy falls with its size.

    References:
        Tarun, Chundawat, Mandal, Kankanhalli, "Fast yet effective machine unlearning", IEEE Trans.
        Neural Networks and Learning Systems 2023.
    """

    label = "UNSIR"
    serves = ("delete",)
    continues = True
    conformance = MappingProxyType({"requests": "any"})

    impair_lr: float = parameter(
        0.02, above=0, search=("log", 1e-4, 1e-1), help="Learning rate of Adam in the impair pass."
    )
    repair_lr: float = parameter(
        0.01, above=0, search=("log", 1e-4, 1e-1), help="Learning rate of Adam in the repair pass."
    )
    noise_batches: int = parameter(
        5,
        minimum=1,
        search=("choice", (1, 5, 20)),
        help="Copies of the batch of noise of every class, in the impair pass.",
    )
    samples: int = parameter(
        1000,
        minimum=1,
        help="Retained points of a class, at most, that impair and repair train on.",
    )
    batch_size: int = parameter(128, minimum=1)
    noise_steps: int = parameter(40, minimum=1, help="Steps of the search for noise.")
    noise_lr: float = parameter(0.1, above=0, help="Learning rate of Adam on the noise.")
    penalty: float = parameter(0.1, minimum=0, help="Weight of the squared norm of the noise.")
    requests: str = parameter(
        "classes",
        choices=("classes", "any"),
        help="What is served: the deletion of whole classes; or any, where the classes of the "
        "deleted points are impaired and the kept points of these classes repair.",
    )

    def supports(self, setting):
        """Requests that delete whole classes at once; ids are looked at when they are served."""
        request = setting.request
        if request is None or self.requests == "any" or isinstance(request, Ids):
            return None
        if isinstance(request, ByClass) and request.fraction == 1 and request.steps == 1:
            return None
        return (
            "it forgets whole classes; allowed: by_class with fraction: 1 and steps: 1, ids of all "
            "points of classes, or any request with requests: any"
        )

    def unlearn(self, task, original, request, seed):
        """The trained model after impair and repair; unchanged if nothing is deleted.

        ValueError if points of a class are deleted and others kept, unless `requests: any`.
        """
        from unlearn.algorithms.impairing_noise import NoiseSearch
        from unlearn.algorithms.losses import cross_entropy
        from unlearn.algorithms.samples import check_whole_classes, class_sample

        deleted_labels = task.data.labels(request.deleted_ids).cpu().numpy()
        retained_labels = task.data.labels(request.retain_ids).cpu().numpy()
        if self.requests == "classes":
            check_whole_classes(deleted_labels, retained_labels)
        classes = np.unique(deleted_labels).tolist()
        if not classes:
            return Update()
        model = task.model(original).eval()
        order = seeding.derive(seed, "unsir")
        search = NoiseSearch(self.batch_size, self.noise_steps, self.noise_lr, self.penalty)
        noise = search.labelled_noise(task, model, classes, order)
        sample_ids = class_sample(request.retain_ids, retained_labels, self.samples, order)
        plain = {"optimizer": "adam", "weight_decay": 0.0}
        model.train()
        impair = task.optimizer(model, lr=self.impair_lr, **plain)
        for images, labels in noise.mixed_minibatches(
            task, sample_ids, self.noise_batches, self.batch_size, order
        ):
            impair.step(cross_entropy(model(images), labels))
        repair = task.optimizer(model, lr=self.repair_lr, **plain)
        for batch in task.minibatches(sample_ids, order, 1, batch_size=self.batch_size):
            repair.step(cross_entropy(model(batch.images), batch.labels))
        return Update(model)
