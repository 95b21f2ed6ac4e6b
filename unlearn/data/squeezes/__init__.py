"""Squeezes of images: what is left of them where noise is to be lost, one file a kind."""
