"""The phase diagram as tables that a figure or a chart can draw: cells, boundaries and references on one grid.

Noise scales are equally wide columns 0, 1, 2, … (the first is λ = 0). Between the columns of positive noise scales a
position is linear in log λ. Scales that refining gave to some blocks only have no column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.analysis.curves import along_the_axis, select_cells
from cayley_adapters.core.errors import CayleyError

__all__ = [
    "average_seeds",
    "cell_table",
    "reference_perplexities",
    "short",
    "text_shift",
    "with_words",
]

_LARGEST = 1e3  # nats: JSON has no infinity
_NUMBER = 0.27  # columns from a line to the middle of a number that it does not touch


def short(value: float) -> str:
    """A number of three significant digits that fits a cell: ``28.0``, ``317``, ``4.1k``, ``67k``, ``3e12``."""
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    for limit, divisor, unit in ((999.5, 1, ""), (999.5e3, 1e3, "k"), (999.5e6, 1e6, "M")):
        if value < limit:
            scaled = value / divisor
            decimals = (2 if scaled < 9.995 else 1 if scaled < 99.95 else 0) - (1 if unit else 0)
            return f"{scaled:.{max(decimals, 0)}f}{unit}"
    return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def text_shift(column: int, lines: Iterable[float]) -> float:
    """How far, in columns, a cell's number moves aside so that no line of its row touches it.

    Args:
        column: of the cell.
        lines: where boundaries cross the row, on the columns.
    """
    near = [line for line in lines if abs(column - line) < _NUMBER]
    if not near:
        return 0.0
    line = min(near, key=lambda line: abs(column - line))
    return float((_NUMBER - abs(column - line)) * (1 if column > line else -1))


def reference_perplexities(baselines: pd.DataFrame, transition: Mapping[str, Any]) -> pd.DataFrame:
    """Perplexity of each baseline method, and size of it, at each compression ratio of the map, averaged over seeds.

    Returns:
        ``compression_ratio, method, perplexity, nll, adapter_parameters``, uncompressed at every ratio.

    Raises:
        CayleyError: the uncompressed or a compressed model is missing.
    """
    rows = []
    for part in transition["ratios"]:
        ratio = part["compression_ratio"]
        here = baselines[np.isclose(baselines["compression_ratio"].astype(float), ratio)]
        here = pd.concat([baselines[baselines["method"] == "uncompressed"], here[here["method"] != "uncompressed"]])
        if missing := {"uncompressed", "compressed"} - set(here["method"]):
            raise CayleyError(f"the baselines lack method {', '.join(sorted(missing))} at compression ratio {ratio}")
        if "matched_block_dim" in here:
            sized = here["matched_block_dim"].notna()
            here.loc[sized, "method"] = [
                f"{_control(method)}, as d = {d:.0f}"
                for method, d in here.loc[sized, ["method", "matched_block_dim"]].values
            ]
        here["method"] = here["method"].map(_control)
        means = here.groupby("method", sort=False, as_index=False)[["nll", "adapter_parameters"]].mean()
        rows.append(means.assign(compression_ratio=ratio))
    table = pd.concat(rows, ignore_index=True)
    with np.errstate(over="ignore"):
        return table.assign(perplexity=np.exp(table["nll"]))


def _control(method: str) -> str:
    return CONTROLS[method].look.in_legend if method in CONTROLS else method


def average_seeds(cells: pd.DataFrame) -> pd.DataFrame:
    """One row for each ratio, block dimension and noise scale: nll averaged over seeds, perplexity its exponential.

    ``nll_se`` is the mean over seeds (their losses are on the same documents, so it does not shrink with seeds),
    ``seeds`` the number of seeds; ``recovery`` and counts are means; other columns keep their first value.
    """
    means = {"nll", "nll_se", "recovery", "adapter_parameters", "two_qubit_gates"}
    keys = ["compression_ratio", "block_dim", "noise_scale"]
    how = {name: "mean" if name in means else "first" for name in cells.columns if name not in [*keys, "seed"]}
    table = cells.groupby(keys, as_index=False, sort=True).agg({**how, "seed": "nunique"})
    with np.errstate(over="ignore"):
        table["perplexity"] = np.exp(table["nll"])
    return table.rename(columns={"seed": "seeds"})


def cell_table(cells: pd.DataFrame, transition: Mapping[str, Any], every: bool = False) -> pd.DataFrame:
    """The cells averaged over seeds, with what drawing them needs.

    Args:
        cells: rows of ``phase_diagram.csv`` of one model.
        transition: its ``transition.json``.
        every: keep all readouts and shots (one table after the other) instead of those of the transition.

    Returns:
        The columns of :func:`average_seeds` and ``column``, ``against`` (nll minus that of the same compressed model
        without blocks, nats a token), ``recovery_nll`` (1 uncompressed, 0 compressed), ``difference`` (the first with
        its interval, as text), ``noise_dominated`` (nll above the compressed model's), ``best`` (the best block at its
        noise scale), ``label`` (the block's), ``text`` (its perplexity) and ``variant`` (readout and shots).
    """
    # What a processor measured is of a text of its own: marks on the map.
    cells = along_the_axis(cells[cells["executor"] != "qpu"])
    main = cells.iloc[select_cells(cells, transition["readout"], transition["shots"], transition.get("executor"))]
    axis = _shared_axis(main)
    shots = pd.to_numeric(cells["shots"] if every else main["shots"])
    source = cells if every else main
    named = shots.map(lambda count: "unlimited shots" if np.isinf(count) else f"{int(count):,} shots")
    variants = source["readout"].astype(str) + ", " + named + ", " + source["executor"].astype(str)
    groups = [average_seeds(group).assign(variant=name) for name, group in source.groupby(variants, sort=False)]
    variant = variants[main.index[0]]
    table = pd.concat(groups, ignore_index=True)
    table = table[table["noise_scale"].isin(axis)].reset_index(drop=True)
    levels = {part["compression_ratio"]: part["nll_compressed"] for part in transition["ratios"]}
    best = {
        (part["compression_ratio"], entry["noise_scale"]): entry["block_dim"]
        for part in transition["ratios"]
        for entry in part["best_block"]
    }
    level = table["compression_ratio"].map(levels)
    span = level - transition["nll_uncompressed"]
    keys = zip(table["compression_ratio"], table["noise_scale"], strict=True)
    differences = {
        (part["compression_ratio"], entry["block_dim"], entry["noise_scale"]): entry
        for part in transition["ratios"]
        for entry in part["recovery_nll"]
    }
    gates = table.groupby("block_dim")["two_qubit_gates"].transform("mean").map(_gates)
    qubits = table["qubits"].map(lambda count: f"{int(count)} qubit{'s' if count > 1 else ''}")
    return table.assign(
        column=np.searchsorted(axis, table["noise_scale"].astype(float)),
        against=table["nll"] - level,
        recovery_nll=np.where(span > 0, (level - table["nll"]) / span.where(span > 0), np.nan),
        noise_dominated=~(table["nll"] <= level),
        difference=[
            _difference(
                differences.get((row.compression_ratio, row.block_dim, row.noise_scale)), row.variant == variant
            )
            for row in table.itertuples()
        ],
        best=np.array([best.get(key) for key in keys], dtype=object) == table["block_dim"].to_numpy(dtype=object),
        label="d = " + table["block_dim"].astype(str) + " (" + qubits + ")\n" + gates,
        text=table["perplexity"].map(short),
    )


def _difference(entry: Mapping[str, Any] | None, measured: bool) -> str:
    """``−0.041 (−0.060 to −0.023)``, nll minus that of the compressed model, of the transition's own cells."""
    if entry is None or not measured or entry["nll_difference"] is None:
        return ""
    low, high = entry["nll_difference_ci95"]
    ends = f" ({low:+.3f} to {high:+.3f})" if low is not None and high is not None else ""
    return f"{entry['nll_difference']:+.3f}{ends}".replace("-", "−")


def _shared_axis(cells: pd.DataFrame) -> np.ndarray:
    """The increasing noise scales that all compression ratios and block dimensions have, but for refined ones."""
    if "refined" in cells:
        cells = cells[cells["refined"].isna()]
    groups = cells.groupby(["compression_ratio", "block_dim"])["noise_scale"]
    return np.array(sorted(set.intersection(*(set(scales.astype(float)) for _, scales in groups))))


def with_words(table: pd.DataFrame) -> pd.DataFrame:
    """A cell table with the texts of a chart's axes and tooltips, and ``shade``, the difference that colours it."""
    return table.assign(
        block=table["label"].str.replace("\n", ", "),
        scale=table["noise_scale"].map("{:g}".format),
        perplexity_text=table["perplexity"].map("{:,.4g}".format),
        nll_text=table["nll"].map("{:.4f}".format)
        + table["nll_se"].map(" ± {:.4f}".format, na_action="ignore").fillna(""),
        phase=np.where(table["noise_dominated"], "noise-dominated", "expressive"),
        shade=table["against"].clip(upper=_LARGEST),
    ).drop(columns=["label", "shots"])


def _gates(count: float) -> str:
    """``17 two-qubit gates``, to a tenth where the mean over blocks is no whole number."""
    if not np.isfinite(count):
        return "gates unknown"
    number = f"{count:.0f}" if abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{number} two-qubit gate{'' if number == '1' else 's'}"
