"""From artefacts to scores, tables and the places of values in figures."""
