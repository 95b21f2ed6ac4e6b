"""Machine unlearning: methods, and how to judge them. Knows nothing of Snakemake."""
