"""Statistics of the map: curves with replicates, critical noise, how the boundary scales, and tables of gains."""

__all__ = ["GOALS", "MEASUREMENTS"]

MEASUREMENTS = 5
"""How often blocks that are measured once are measured, to know what their shots leave open."""

GOALS = {8: 2.0, 16: 1.0}
"""Block dimension → noise scale at which its blocks are to beat the compressed model and any blocks of two qubits."""
