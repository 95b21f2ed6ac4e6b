"""Samplers, one file each, and the requests that they draw."""
