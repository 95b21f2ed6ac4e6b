"""Trainers, one file each: how a model is trained so that it can forget later. See `base`."""
