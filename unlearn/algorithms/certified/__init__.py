"""Procedures whose weights carry a certificate."""
