"""Kinds of figure, one file each. They read tables only."""
