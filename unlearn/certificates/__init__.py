"""What certified unlearning promises, recomputed from records and tested from below.

Numpy and scipy only. Scipy is imported inside functions, because the plan imports methods.
"""
