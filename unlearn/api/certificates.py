"""The accountant of certified unlearning for a notebook.

    constants = logistic_constants(radius=1, weight_decay=0.01)
    ledger = (Deletion(deleted_points=100, points=10_000, steps=50),)
    descent = Descent(constants, fastest_rate(constants), learning_steps=200, ledger=ledger)
    sigma = sigma_for(langevin_closed_form(descent, sigma=1), epsilon=1, delta=1e-5)

`check(Certificate.from_json(text))` recomputes the claims of a certificate from its record.
"""

from unlearn.certificates.amplification import amplified_delta, amplified_epsilon, amplified_mu
from unlearn.certificates.calibration import (
    descent_to_delete_closed_form,
    langevin_closed_form,
    least_steps,
    sigma_for,
)
from unlearn.certificates.chains import (
    Deletion,
    Descent,
    NoisySteps,
    descent_to_delete,
    gradient_clipping,
    langevin,
    model_clipping,
    output_noise,
    removal,
    rewind,
)
from unlearn.certificates.constants import (
    Constant,
    Constants,
    contraction_factor,
    fastest_rate,
    logistic_constants,
    softmax_constants,
)
from unlearn.certificates.contraction import Bound, contraction
from unlearn.certificates.lower_bound import epsilon_lower_bound, mu_lower_bound
from unlearn.certificates.privacy import delta_of, epsilon_of, mu_of
from unlearn.certificates.record import Certificate, Claims, Clipping, check, recompute
from unlearn.certificates.released import (
    released_descent_to_delete_sigma,
    released_langevin_epsilon,
)

__all__ = [
    "Bound",
    "Certificate",
    "Claims",
    "Clipping",
    "Constant",
    "Constants",
    "Deletion",
    "Descent",
    "NoisySteps",
    "amplified_delta",
    "amplified_epsilon",
    "amplified_mu",
    "check",
    "contraction",
    "contraction_factor",
    "delta_of",
    "descent_to_delete",
    "descent_to_delete_closed_form",
    "epsilon_lower_bound",
    "epsilon_of",
    "fastest_rate",
    "gradient_clipping",
    "langevin",
    "langevin_closed_form",
    "least_steps",
    "logistic_constants",
    "model_clipping",
    "mu_lower_bound",
    "mu_of",
    "output_noise",
    "recompute",
    "released_descent_to_delete_sigma",
    "released_langevin_epsilon",
    "removal",
    "rewind",
    "sigma_for",
    "softmax_constants",
]
