"""Deletion certificates: what a cell promises of its models, written down and checked again.

No torch, no pickle.
"""
