"""Noise for the images of a data set, one file a kind.

A module has one class whose constructor takes the parameters of its schema. `make(task, ids)` gives
noise for the points `ids`, int8, ids x H x W x C in whole steps of the pixels, and a record of how
it was made: `converged`, `error`, `rounds`. `model` and `size` name the model it is made with.
"""
