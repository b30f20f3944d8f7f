"""Statistics of the map: curves with replicates, critical noise, and how the boundary scales."""

from cayley_adapters.analysis.crossing import critical_noise, crossover, curve_at
from cayley_adapters.analysis.curves import Curve, make_curves, select_cells
from cayley_adapters.analysis.resampling import bootstrap_means, interval, seed_deviations
from cayley_adapters.analysis.scaling import MasterCurve, cost_points, describe_scaling, power_law
from cayley_adapters.analysis.transition import transition

__all__ = [
    "Curve",
    "MasterCurve",
    "bootstrap_means",
    "cost_points",
    "critical_noise",
    "crossover",
    "curve_at",
    "describe_scaling",
    "interval",
    "make_curves",
    "power_law",
    "seed_deviations",
    "select_cells",
    "transition",
]
