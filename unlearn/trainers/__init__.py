"""Trainers, one file each: how a model is trained so that it can forget later.

A trainer has `train(task, ids, seed)`, which gives a state; `retrain`, which gives the same model
for the oracle; `predict(task, state, pixels)`, logits N x classes; `votes(task, state, pixels)`,
the class that each constituent predicts, int16 S x N, S = 0 for a single model;
`parameters(task)`, names of the tensors that a distance compares; `served(state)`, names of those
that predictions need. One of ensembles may have `constituents(task, state)`, for each a digest of
its weights and these; what constituents say is then asked once, and handed to `predict` and
`votes` as a fourth argument, a list of logits. Constants tell the plan what it must know before
anything is imported: see docs/architecture.md.
"""
