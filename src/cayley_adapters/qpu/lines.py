"""Which lines of a device run blocks at the same time: many, or good ones.

All lines of n qubits are ranked by the estimated infidelity of a full block's circuit, and the worse ones are left out;
of the rest as many disjoint ones as possible are chosen, and among all such choices the one with the least total
infidelity. A line and its reverse are one line, used in the better direction. Pairs are a matching of maximum weight;
longer lines, and sparse layouts, in which no usable coupler joins two lines, are a set packing, solved exactly as an
integer program.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import say

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

    from cayley_adapters.circuits.noise.calibration import Calibration

__all__ = ["disjoint_lines", "line_tradeoff", "plain_pairs"]

QUALITIES = tuple(round(0.05 * step, 2) for step in range(1, 21))
"""Shares of a device's lines at which the curve of number against quality is drawn."""

_NODES = 20_000  # of the branch-and-bound tree; a limit on nodes, unlike one on seconds, gives the same lines anywhere
_STEPS = 10**9  # infidelities as integers, which matching needs


def disjoint_lines(
    calibration: Calibration, n: int, quality: float = 0.5, sparse: bool = False
) -> tuple[tuple[int, ...], ...]:
    """Choose as many disjoint lines as possible among a device's better ones.

    Args:
        calibration: The device's figures; couplers that it leaves out are not used.
        n: Qubits of a line.
        quality: Share of all the device's lines, ranked by :meth:`Line.infidelity`, that may be used; above 0, up to 1.
        sparse: Whether no coupler may join two lines, against crosstalk.

    Returns:
        The lines, the one with the least estimated infidelity first.

    Raises:
        CayleyError: If the quality is out of range or the device has no line of n qubits.
    """
    if not 0 < quality <= 1:
        raise CayleyError(f"quality {quality} is not allowed; give a share of the device's lines above 0 and up to 1")
    lines = _candidates(calibration, n)
    lines = lines[: math.ceil(quality * len(lines))]
    chosen: Iterable[int]
    cost = np.array([calibration.line(line).infidelity() for line in lines])
    if sparse or n > 2:
        chosen = _packing(lines, cost, list(calibration.couplers) if sparse else [])
    elif n == 2:
        chosen = _matching(lines, cost)
    else:
        chosen = range(len(lines))
    return tuple(lines[i] for i in sorted(chosen))


def plain_pairs(calibration: Calibration) -> tuple[tuple[int, int], ...]:
    """Return as many disjoint pairs as the usable couplers allow, whatever their errors: what quality is traded for."""
    import rustworkx

    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(max(map(max, calibration.couplers)) + 1))
    graph.add_edges_from_no_data(sorted(calibration.couplers))
    # Which qubit of a pair comes first differs from call to call.
    pairs = rustworkx.max_weight_matching(graph, max_cardinality=True)
    return tuple(sorted((min(pair), max(pair)) for pair in pairs))


def line_tradeoff(
    calibration: Calibration, n: int, sparse: bool = False, qualities: Sequence[float] = QUALITIES
) -> pd.DataFrame:
    """Return the curve of the number of lines against their quality.

    Returns:
        One row a quality: ``qubits``; ``layout``, dense or sparse; ``quality``; ``lines``, their number; ``infidelity``
        and ``cz_error``, their means (the latter over all couplers in use, NaN at n = 1); ``median_cz_error`` of the
        device's usable couplers. A dense n = 2 has a last row ``plain``, of :func:`plain_pairs`.
    """
    import pandas as pd

    median = float(np.median([coupler.cz_error for (a, b), coupler in calibration.couplers.items() if a < b]))
    chosen: list[tuple[str, float, tuple[tuple[int, ...], ...]]]
    chosen = [("sparse" if sparse else "dense", q, disjoint_lines(calibration, n, q, sparse)) for q in qualities]
    if n == 2 and not sparse:
        chosen.append(("plain", math.nan, plain_pairs(calibration)))
    rows = []
    for layout, quality, indices in chosen:
        lines = [calibration.line(line) for line in indices]
        errors = [coupler.cz_error for line in lines for coupler in line.couplers]
        rows.append(
            {
                "qubits": n,
                "layout": layout,
                "quality": quality,
                "lines": len(lines),
                "infidelity": float(np.mean([line.infidelity() for line in lines])),
                "cz_error": float(np.mean(errors)) if errors else math.nan,
                "median_cz_error": median,
            }
        )
    return pd.DataFrame(rows)


def _candidates(calibration: Calibration, n: int) -> list[tuple[int, ...]]:
    """Return all lines once, in their better direction, the best first."""
    seen: set[tuple[int, ...]] = set()
    lines = []
    for line in calibration.ranked(n):
        if line[::-1] not in seen:
            seen.add(line)
            lines.append(line)
    return lines


def _matching(lines: list[tuple[int, ...]], cost: np.ndarray) -> list[int]:
    """Return which pairs make a matching of the most pairs, and of those the least cost."""
    import rustworkx

    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(max(map(max, lines)) + 1))
    graph.add_edges_from([(a, b, i) for i, (a, b) in enumerate(lines)])
    whole = np.rint(cost * _STEPS).astype(np.int64)
    matched = rustworkx.max_weight_matching(graph, max_cardinality=True, weight_fn=lambda i: -int(whole[i]))
    return [graph.get_edge_data(*pair) for pair in matched]


def _packing(lines: list[tuple[int, ...]], cost: np.ndarray, apart: list[tuple[int, int]]) -> np.ndarray:
    """Return which lines make the largest set packing, and of those the least cost.

    At most one line touches any one qubit, and any one of the couplers that must keep lines apart.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    uses: dict[int, list[int]] = {}  # qubit -> the lines that use it
    for i, line in enumerate(lines):
        for q in line:
            uses.setdefault(q, []).append(i)
    groups = list(uses.values()) + [sorted({*uses.get(a, []), *uses.get(b, [])}) for a, b in apart if a < b]
    apart_lines = sorted({tuple(group) for group in groups if len(group) > 1})
    rows = [row for row, group in enumerate(apart_lines) for _ in group]
    columns = [i for group in apart_lines for i in group]
    table = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(groups), len(lines)))
    limits = [LinearConstraint(table, ub=1)] if apart_lines else []
    options = {"node_limit": _NODES, "mip_rel_gap": 0}
    found = _greedy(table)
    for objective in (-np.ones(len(lines)), cost):  # the number first, then, at that number, the cost
        result = milp(objective, integrality=1, bounds=Bounds(0, 1), constraints=limits, options=options)
        if result.status != 0:
            say(f"lines of {len(lines[0])} qubits: no proof within {_NODES} nodes that the chosen ones are the best")
        if result.x is not None:
            found = np.rint(result.x)
        limits = [*limits[: len(apart_lines) > 0], LinearConstraint(np.ones((1, len(lines))), lb=found.sum())]
    return np.flatnonzero(found)


def _greedy(table: csr_array) -> np.ndarray:
    """Return a packing (lines,) of the best lines one after the other, which is what a search that found none gives."""
    taken, columns = np.zeros(table.shape[0], dtype=bool), table.tocsc()
    found = np.zeros(table.shape[1])
    for i in range(len(found)):
        groups = columns.indices[columns.indptr[i] : columns.indptr[i + 1]]
        if not taken[groups].any():
            taken[groups], found[i] = True, 1
    return found
