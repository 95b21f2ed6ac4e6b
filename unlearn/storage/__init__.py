"""The files between the stages: the only code that knows their formats."""
