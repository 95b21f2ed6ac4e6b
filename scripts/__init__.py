"""One command a rule; run as `python -m scripts.<rule>` in the project's root."""
