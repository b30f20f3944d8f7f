"""Blocks on a quantum processor, or on its offline twin: packed circuits, submission without loss, results."""
