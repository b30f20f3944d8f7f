"""Critical noise, and the further boundaries of a block, on the columns of the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["BOUNDARIES", "boundary_table", "column_of", "device_column", "letter_table"]

_CLEAR = 0.24  # columns that a letter takes beside its line

BOUNDARIES = {"repair": ("R", "nothing left of the repair"), "identity": ("I", "circuits that learnt nothing cost G")}
"""Boundary beside λ_c → the letter at its line, and what is there."""


def column_of(axis: np.ndarray, noise_scale: float) -> float:
    """Where a noise scale lies on the columns: −½ for 0 (left edge), L − ½ (right edge) from the last scale on.

    Args:
        axis: ``(L,)`` increasing noise scales, the first 0.
        noise_scale: ≥ 0; one below the smallest positive scale is put half-way between that and 0.
    """
    if noise_scale <= 0:
        return -0.5
    if noise_scale >= axis[-1]:
        return len(axis) - 0.5
    if noise_scale < axis[1]:
        return 0.5
    return float(np.interp(np.log(noise_scale), np.log(axis[1:]), np.arange(1, len(axis))))


def device_column(axis: np.ndarray) -> float | None:
    """Where the device as calibrated, noise scale 1, lies on the columns; None where the axis does not hold it."""
    if not (len(axis) > 1 and axis[1] <= 1 <= axis[-1]):
        return None
    return float(len(axis) - 1) if axis[-1] == 1 else column_of(axis, 1.0)


def boundary_table(transition: Mapping[str, Any], axis: np.ndarray) -> pd.DataFrame:
    """λ_c of each ratio and block dimension with its place on the columns.

    Returns:
        ``compression_ratio, block_dim, two_qubit_gates, lambda_c, censored, low, high, low_text, high_text, x, x_low,
        x_high, x_repair, x_identity, repair_text, identity_text``; ``censored`` is ``no``, ``below`` or ``above``, and
        an interval that is open above ends with the axis.
    """
    rows = []
    for part in transition["ratios"]:
        for block in part["blocks"]:
            low, high = block["ci95"]
            texts = ["–" if low is None else f"{low:.3g}", "–" if high is None else f"{high:.3g}"]
            if low is None:  # one document: no interval
                low = high = block["lambda_c"]
            elif high is None:
                high, texts[1] = float(axis[-1]), "beyond the axis"
            x, x_low, x_high = (column_of(axis, value) for value in (block["lambda_c"], low, high))
            if block["censored"] == "above":
                x = len(axis) - 0.5
            elif block["censored"] == "below":  # somewhere between the first two columns
                x, x_low, x_high = 0.5, min(x_low, 0.5), x_high if high > axis[1] else 0.5
            rows.append(
                {
                    "compression_ratio": part["compression_ratio"],
                    **{name: block[name] for name in ("block_dim", "two_qubit_gates", "lambda_c")},
                    "censored": block["censored"] or "no",
                    "low": low,
                    "high": high,
                    "low_text": texts[0],
                    "high_text": texts[1],
                    "x": x,
                    "x_low": x_low,
                    "x_high": x_high,
                    **{f"x_{name}": _place(axis, block, name) for name in ("repair", "identity")},
                    **{f"{name}_text": _scale_text(block, name) for name in ("repair", "identity")},
                }
            )
    return pd.DataFrame(rows).sort_values(["compression_ratio", "block_dim"], ignore_index=True)


def letter_table(bounds: pd.DataFrame) -> pd.DataFrame:
    """Where each thin line's letter stands: left of it, but for another line there or the map's edge.

    Args:
        bounds: rows of :func:`boundary_table`.

    Returns:
        Its rows once for each boundary of :data:`BOUNDARIES` that lies on the axis, with ``name``, ``letter``, ``line``
        (the line's column) and ``place`` (the letter's).
    """
    rows = []
    for bound in bounds.to_dict("records"):
        lines = {name: bound[f"x_{name}"] for name in BOUNDARIES}
        for name, x in lines.items():
            if np.isnan(x):
                continue
            taken = any(0 < x - other < _CLEAR for other in (bound["x"], *lines.values())) or x - _CLEAR < -0.5
            place = x + (0.5 if taken else -0.5) * _CLEAR
            rows.append(bound | {"name": name, "letter": BOUNDARIES[name][0], "line": x, "place": place})
    return pd.DataFrame(rows, columns=[*bounds.columns, "name", "letter", "line", "place"])


def _place(axis: np.ndarray, block: Mapping[str, Any], name: str) -> float:
    """Where a further boundary of a block lies; not a number where it is unknown or beyond the axis."""
    value = block.get(f"lambda_{name}")
    if value is None or block.get(f"lambda_{name}_censored") is not None:
        return float("nan")
    return column_of(axis, value)


def _scale_text(block: Mapping[str, Any], name: str) -> str:
    value, censored = block.get(f"lambda_{name}"), block.get(f"lambda_{name}_censored")
    if value is None:
        return "–"
    return f"{ {'above': '> ', 'below': '< '}.get(censored or '', '') }{value:.3g}"
