"""The jobs that need torch."""
