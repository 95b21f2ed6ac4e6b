"""Trajectories that are replayed."""
