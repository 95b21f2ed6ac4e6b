"""Metrics on arrays, one file a family. Numpy only."""
