"""Noise for the images of a data set, one file a kind. See `base`."""
