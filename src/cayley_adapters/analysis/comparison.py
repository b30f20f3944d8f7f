"""Several maps compared: their numbers side by side, and paired differences on the same documents."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import Curve, make_curves, select_cells
from cayley_adapters.analysis.maps import Map, differing_keys, labels_of, shared_scales, unpaired
from cayley_adapters.analysis.resampling import finite, interval, p_value, resampled
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.core.statistics import holm

__all__ = ["DIFFERENCE_COLUMNS", "REPLICATES", "Comparison", "columns_of", "compare_maps"]

REPLICATES = 2000
"""Draws of documents behind each interval."""

DIFFERENCE_COLUMNS = [
    *("map", "reference", "compression_ratio", "block_dim", "quantity", "noise_scale"),
    *("estimate", "ci95_low", "ci95_high", "p", "p_holm", "comparisons"),
]
"""``nll_difference`` and ``gain_difference`` are the map's minus the reference's, nats a token; ``lambda_c_ratio`` is
the map's over the reference's, empty where one of the two is none or lies beyond its axis. ``ci95`` is of each alone,
an open end empty; ``p_holm`` holds for all ``comparisons`` of the table at once."""

_PARTS = {
    **dict.fromkeys(("train", "control"), "training"),
    "transpile": "synthesis",
    **dict.fromkeys(("evaluate", "evaluate_control", "baseline", "reference"), "evaluation"),
}
"""Stage → the part of the costs that it counts for."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What comes of comparing maps.

    Attributes:
        labels: name → what people are shown, the reference's first.
        keys: dotted key of the configuration that differs → the value of each map, as text, in the order of labels.
        scales: noise scales above 0 that are compared.
        clusters: how many test documents of the reference are resampled, or windows of the only one.
        resampled: the same in words.
        table: rows of :func:`columns_of`, the numbers of each map.
        differences: rows of :data:`DIFFERENCE_COLUMNS`.
        unpaired: name → why it has no differences.
    """

    labels: Mapping[str, str]
    keys: Mapping[str, list[str]]
    scales: list[float]
    clusters: int
    resampled: str
    table: pd.DataFrame
    differences: pd.DataFrame
    unpaired: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The name of the map that others are compared with."""
        return next(iter(self.labels))


def columns_of(scales: Sequence[float], keys: Sequence[str]) -> list[str]:
    """Columns of the table of numbers.

    λ_c is a noise scale, the gain in nats a token, both with 95 % intervals; gates are a block's, preparation included.
    CPU seconds are means over seeds, empty where they were not recorded. The settings that differ come last.
    """
    return [
        *("map", "title", "compression_ratio", "method", "block_dim", "seeds"),
        *("lambda_c", "lambda_c_low", "lambda_c_high", "censored", "gain", "gain_low", "gain_high"),
        *(f"perplexity_at_{scale:g}" for scale in (0.0, *scales)),
        *("two_qubit_gates", "adapter_parameters"),
        *(f"{part}_cpu_seconds" for part in dict.fromkeys(_PARTS.values())),
        *keys,
    ]


def compare_maps(maps: Sequence[Map], reference: str | None = None, noise_scales: Sequence[float] = ()) -> Comparison:
    """Compare maps with one of them.

    Args:
        maps: two or more, with names of their own.
        reference: name of the one that others are compared with; the first if None.
        noise_scales: above 0, to compare at; at most five that all maps share, if none are given.

    Raises:
        CayleyError: there are fewer than two, a name is unknown or not unique, or the maps are of different texts or
            have no noise scale in common.
    """
    names = [one.name for one in maps]
    if len(maps) < 2:
        raise CayleyError(
            f"{names[0] if names else 'no map'}: one map has nothing to be compared with; give two or more"
        )
    if twice := {name for name in names if names.count(name) > 1}:
        raise CayleyError(f"two maps are called {', '.join(sorted(twice))}; give each a name of its own")
    if reference is not None and reference not in names:
        raise CayleyError(f"--reference {reference}: no map has that name{suggest(reference, names)}")
    maps = sorted(maps, key=lambda one: one.name != (reference or names[0]))
    first, *others = maps
    apart = unpaired(maps, first)
    scales = shared_scales(maps, noise_scales)
    labels = labels_of(maps)
    keys = {key: [show(value) for value in values] for key, values in differing_keys(maps).items()}
    rows = [
        {"map": one.name, "title": labels[one.name]} | row | {key: values[place] for key, values in keys.items()}
        for place, one in enumerate(maps)
        for row in _numbers(one, scales)
    ]
    found = [row for one in others if one.name not in apart for row in _differences(one, first, (0.0, *scales))]
    differences = pd.DataFrame(found, columns=DIFFERENCE_COLUMNS)
    tested = differences["p"].notna()
    differences.loc[tested, "p_holm"] = holm(differences.loc[tested, "p"].astype(float).tolist())
    return Comparison(
        labels,
        keys,
        scales,
        len(np.unique(first.documents)),
        resampled(first.documents),
        pd.DataFrame(rows, columns=columns_of(scales, list(keys))),
        differences.assign(comparisons=int(tested.sum())),
        apart,
    )


def _numbers(one: Map, scales: Sequence[float]) -> list[dict[str, Any]]:
    """The rows of a map: the uncompressed model, and for each ratio the compressed one, its controls and its blocks."""
    seconds = _seconds(one)
    plain = one.baselines[one.baselines["method"] == "uncompressed"]
    rows = [_without_blocks(group, None, seconds.get((), {})) for _, group in plain.groupby("method")]
    sizes = one.cells.groupby(["compression_ratio", "block_dim"])["adapter_parameters"].first()
    for part in one.transition["ratios"]:
        ratio, level = part["compression_ratio"], part["nll_compressed"]
        here = one.baselines[np.isclose(one.baselines["compression_ratio"].astype(float), ratio)]
        here = here[here["method"] != "uncompressed"]
        for (method, d), group in here.groupby(["method", "matched_block_dim"], dropna=False, sort=False):
            control = () if method == "compressed" else (method if pd.isna(d) else f"{method}-d{d:.0f}",)
            gained_from = None if method == "compressed" else level
            rows.append(_without_blocks(group, gained_from, seconds.get((f"ratio{ratio:g}", *control), {})))
        above = {(entry["block_dim"], entry["noise_scale"]): entry["nll_difference"] for entry in part["recovery_nll"]}
        for block in part["blocks"]:
            d = block["block_dim"]
            rows.append(
                {"compression_ratio": ratio, "method": "cayley", "adapter_parameters": int(sizes[ratio, d])}
                | {name: block[name] for name in ("block_dim", "seeds", "lambda_c", "censored", "gain")}
                | {"two_qubit_gates": block["two_qubit_gates"]}
                | dict(zip(("lambda_c_low", "lambda_c_high"), block["ci95"], strict=True))
                | dict(zip(("gain_low", "gain_high"), block["gain_ci95"], strict=True))
                | {f"perplexity_at_{at:g}": _perplexity(level, above.get((d, at))) for at in (0.0, *scales)}
                | seconds.get((f"ratio{ratio:g}", f"d{d}"), {})
            )
    return rows


def _without_blocks(rows: pd.DataFrame, level: float | None, seconds: Mapping[str, float]) -> dict[str, Any]:
    """A model without blocks, averaged over seeds; noise is none of its concern."""
    first, nll = rows.iloc[0], float(rows["nll"].mean())
    return {
        **{name: first[name] for name in ("compression_ratio", "method", "adapter_parameters")},
        "block_dim": first["matched_block_dim"],
        "seeds": len(rows) if first["method"] not in ("uncompressed", "compressed") else None,
        "gain": None if level is None else level - nll,
        "perplexity_at_0": _perplexity(nll, 0.0),
        **seconds,
    }


def _perplexity(level: float | None, above: float | None) -> float | None:
    return None if level is None or above is None else finite(np.exp(level + above))


def _seconds(one: Map) -> dict[tuple[str, ...], dict[str, float]]:
    """CPU seconds by what they were spent on: folders of ratio and block or control → part → mean over seeds."""
    rows = [
        {"spent_on": tuple(name for axis, name in record["cell"].items() if axis != "seed")}
        | {"part": f"{_PARTS[record['stage']]}_cpu_seconds", "cpu_seconds": record["cpu_seconds"]}
        for record in one.records
        if record["stage"] in _PARTS
    ]
    found: dict[tuple[str, ...], dict[str, float]] = {}
    for (spent_on, part), group in pd.DataFrame(rows).groupby(["spent_on", "part"]) if rows else ():
        found.setdefault(spent_on, {})[part] = round(float(group["cpu_seconds"].mean()), 1)
    return found


def _differences(one: Map, reference: Map, scales: Sequence[float]) -> list[dict[str, Any]]:
    """A map against another of the same documents, at every ratio and block dimension that both have."""
    common = set(one.blocks) & set(reference.blocks)
    if not common:
        return []
    # Seeds are paired where both maps have the same: what a seed does to both is then no part of their difference.
    seeds = [set(each.evaluations.cells["seed"]) for each in (one, reference)]
    paired = 0 if seeds[0] == seeds[1] else None
    mine, theirs = (_curves(each, common, paired) for each in (one, reference))
    clusters = len(np.unique(reference.documents))
    rows = []
    for key in sorted(common):
        first, second = mine[key], theirs[key]
        with np.errstate(invalid="ignore"):
            drawn: dict[tuple[str, float | None], np.ndarray] = {
                ("nll_difference", scale): first.nll[first.axis == scale][0] - second.nll[second.axis == scale][0]
                for scale in scales
            }
            drawn["gain_difference", None] = first.gain - second.gain
        ratios = [_quantity(name, scale, values, clusters) for (name, scale), values in drawn.items()]
        ratios.append(_critical_ratio(first, second, clusters))
        known = {"map": one.name, "reference": reference.name, "compression_ratio": key[0], "block_dim": key[1]}
        rows += [known | row for row in ratios]
    return rows


def _curves(one: Map, common: set[tuple[float, int]], paired: int | None) -> dict[tuple[float, int], Curve]:
    """The map's own curves of ``common``; documents are drawn alike for all maps, shots only where maps are one."""
    told = one.transition
    cells = one.evaluations.cells
    rows = select_cells(cells, told["readout"], float(told["shots"]), told["executor"])
    keys = zip(cells["compression_ratio"].iloc[rows], cells["block_dim"].iloc[rows], strict=True)
    chosen = one.evaluations.rows(rows[[key in common for key in keys]])
    curves = make_curves(
        chosen.cells,
        chosen.losses,
        one.documents,
        one.compressed,
        bootstrap=REPLICATES,
        seed=0,
        salt=zlib.crc32(np.ascontiguousarray(chosen.losses).tobytes()),
        seed_salt=paired,
    )
    return {(curve.compression_ratio, curve.block_dim): curve for curve in curves}


def _quantity(name: str, scale: float | None, values: np.ndarray, clusters: int) -> dict[str, Any]:
    """One row of an estimate and its replicates, ``(1 + R)``."""
    low, high = interval(values[1:], clusters)
    estimate = {"estimate": finite(values[0]), "p": p_value(values, clusters)}
    return {"quantity": name, "noise_scale": scale, **estimate, "ci95_low": low, "ci95_high": high}


def _critical_ratio(first: Curve, second: Curve, clusters: int) -> dict[str, Any]:
    """λ_c over λ_c: the interval holds all that is possible where a replicate lies beyond an axis."""
    (lows, highs), (their_lows, their_highs) = (_bounds(curve) for curve in (first, second))
    with np.errstate(divide="ignore", invalid="ignore"):
        least, most = lows / their_highs, highs / their_lows
        known = np.where((lows == highs) & (their_lows == their_highs) & (lows > 0), np.log(least), np.nan)
    row = _quantity("lambda_c_ratio", None, known, clusters)
    low, _ = interval(least[1:], clusters)
    _, high = interval(most[1:], clusters)
    ratio = None if row["estimate"] is None else math.exp(row["estimate"])
    return row | {"estimate": ratio, "ci95_low": low, "ci95_high": high}


def _bounds(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest λ_c that each replicate leaves possible; the same where it lies on the axis."""
    value, censored = curve.critical(zlib.crc32(curve.nll[:, 0].tobytes()))
    return np.where(censored < 0, 0.0, value), np.where(censored > 0, np.inf, value)
