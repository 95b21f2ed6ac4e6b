"""Procedures whose outcome is certified to be close to that of never having seen the points."""
