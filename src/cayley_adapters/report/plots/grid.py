"""The phase diagram as tables that a figure or a chart can draw: cells, boundaries and references on one grid.

Noise scales are equally wide columns 0, 1, 2, … (the first is λ = 0). Between the columns of positive noise scales a
position is linear in log λ. Scales that refining gave to some blocks only have no column.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import along_the_axis, select_cells
from cayley_adapters.core.errors import CayleyError

__all__ = [
    "average_seeds",
    "boundary_table",
    "cell_table",
    "column_of",
    "describe",
    "reference_perplexities",
    "short",
    "text_shift",
    "with_words",
]


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


def text_shift(column: int, line: float) -> float:
    """How far, in columns, a cell's number moves aside so that a boundary at ``line`` does not cross it."""
    away = column - line
    return float(np.clip(0.38 - abs(away), 0, 0.19) * (1 if away > 0 else -1))


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
            sizes = [
                f"{method} (as d = {d:.0f})" for method, d in here.loc[sized, ["method", "matched_block_dim"]].values
            ]
            here.loc[sized, "method"] = sizes
        means = here.groupby("method", sort=False, as_index=False)[["nll", "adapter_parameters"]].mean()
        rows.append(means.assign(compression_ratio=ratio))
    table = pd.concat(rows, ignore_index=True)
    with np.errstate(over="ignore"):
        return table.assign(perplexity=np.exp(table["nll"]))


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
        The columns of :func:`average_seeds` and ``column``, ``recovery_nll`` (1 uncompressed, 0 compressed; not
        clipped), ``difference`` (nll minus the compressed model's, with its interval, as text), ``noise_dominated``
        (nll above the compressed model's), ``best`` (the best block at its noise scale), ``label`` (the block's),
        ``text`` (its perplexity) and ``variant`` (readout and shots).
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
    """A cell table with the texts of a chart's axes and tooltips, and ``clipped``, the recovery within [−1, 1]."""
    return table.assign(
        block=table["label"].str.replace("\n", ", "),
        scale=table["noise_scale"].map("{:g}".format),
        perplexity_text=table["perplexity"].map("{:,.4g}".format),
        nll_text=table["nll"].map("{:.4f}".format)
        + table["nll_se"].map(" ± {:.4f}".format, na_action="ignore").fillna(""),
        phase=np.where(table["noise_dominated"], "noise-dominated", "expressive"),
        clipped=table["recovery_nll"].clip(-1, 1),
    ).drop(columns=["label", "shots"])


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


def describe(table: pd.DataFrame, transition: Mapping[str, Any], width: int = 0, more: str = "") -> str:
    """The caption: model, device, readout, shots, adapted projections, tokens, executor and intervals, and ``more``."""
    one = table.iloc[0]
    seeds = int(table["seeds"].max())
    shots = transition["shots"]
    bootstrap = transition.get("bootstrap", {})
    parts = [
        f"Model {one['model']}, compression {one['compression']}; ansatz {one['ansatz']}; adapted projections: "
        f"{one['targets']}; device {one['backend']} (layout {one['layout']}, mitigation {one['mitigation']}); "
        f"readout {one['readout']}; {shots if shots == 'inf' else format(int(shots), ',')} shots; executor "
        f"{one['executor']}; {int(one['tokens']):,} test tokens"
        + (f" of {bootstrap['resampled']}" if bootstrap else "")
        + (f"; mean of {seeds} seeds" if seeds > 1 else "; one seed")
        + "."
    ]
    if bootstrap and bootstrap["documents"] > 1:
        parts.append(f"Intervals: {bootstrap['replicates']:,} paired bootstrap replicates over these.")
    elif bootstrap:
        parts.append("No intervals: one window of one document cannot be resampled.")
    text = " ".join(parts) + more
    return textwrap.fill(text, width) if width else text


def _gates(count: float) -> str:
    """``17 two-qubit gates``, to a tenth where the mean over blocks is no whole number."""
    if not np.isfinite(count):
        return "gates unknown"
    number = f"{count:.0f}" if abs(count - round(count)) < 0.05 else f"{count:.1f}"
    return f"{number} two-qubit gate{'' if number == '1' else 's'}"
