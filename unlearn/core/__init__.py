"""The ground: seeds, progress, guarantees. Knows no other room."""
