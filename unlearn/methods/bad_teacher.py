"""Bad teacher: learn ignorance of the deleted points from a random network."""

from unlearn.core import seeding
from unlearn.methods.base import Method, Update, parameter


class BadTeacher(Method):
    """Learn ignorance of the deleted points from a random network, and the rest from the original.

    A student that starts as the original learns from two teachers: on deleted points from a network
    with random initial weights, on a share of the retain set from the original. Every step, by
    Adam, minimises over a mixed minibatch

        mean( KL( random(x) || student(x) )  for deleted x,
              KL( original(x) || student(x) )  for retained x )

    Cost:
        E (|D_f| + share |D_r|) gradients, and as many forward passes of the teachers. The share is
        drawn once.

    Pitfalls:
        Answers of a random network on deleted points are over-unlearning by design: a retrained
        model would still classify most of them. An attack on membership then finds them with ease.
        Labels are never used, so points that a request adds are not learnt.

    References:
        Chundawat, Tarun, Mandal, Kankanhalli, "Can bad teaching induce forgetting? Unlearning in
        deep networks using an incompetent teacher", AAAI 2023.
    """

    serves = ("delete",)
    continues = True

    epochs: int = parameter(
        2, minimum=1, search=("choice", (1, 2, 4)), help="Passes over both kinds of points."
    )
    lr: float = parameter(0.0005, above=0, search=("log", 5e-5, 5e-3))
    share: float = parameter(
        0.3,
        minimum=0,
        maximum=1,
        search=("uniform", 0.1, 0.9),
        help="The share of the retain set that the original teaches.",
    )
    batch_size: int | None = parameter(
        None, minimum=1, help="Points of a minibatch; null takes that of the recipe."
    )

    def gradient_evaluations(self, retained, deleted, recipe):
        """One for every deleted point, and every point of the share, and epoch."""
        return self.epochs * (deleted + round(self.share * retained))

    def unlearn(self, task, original, request, seed):
        """The student after `epochs` epochs; unchanged if nothing is deleted."""
        import numpy as np

        from unlearn.algorithms.two_teachers import TwoTeachers

        if not len(request.deleted_ids):
            return Update()
        student = task.model(original)
        random_network = task.new_model(seeding.derive(seed, "bad teacher"))
        teachers = TwoTeachers(random_network, task.model(original), request.deleted_ids)
        order = seeding.derive(seed, "taught points")
        count = round(self.share * len(request.retain_ids))
        taught_ids = seeding.shuffled(request.retain_ids, order)[:count]
        ids = np.union1d(request.deleted_ids, taught_ids)
        optimizer = task.optimizer(student, lr=self.lr, optimizer="adam", weight_decay=0.0)
        for epoch in range(self.epochs):
            for batch in task.minibatches(ids, order, epoch, batch_size=self.batch_size):
                optimizer.step(teachers.divergence(student(batch.images), batch))
        return Update(student)
