"""Ensembles of constituents on shards."""
