"""Machine unlearning: methods, and how to judge them. Knows nothing of Snakemake."""

from unlearn.core import torchvision_operators

torchvision_operators.declare_on_import()
