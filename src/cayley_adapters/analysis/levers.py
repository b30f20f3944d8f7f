"""What each lever does: critical noise, gain, perplexity beside its controls, and what it costs."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.analysis.curves import Curve, make_curves, select_cells
from cayley_adapters.analysis.resampling import interval
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.noise.sources import SOURCES
from cayley_adapters.circuits.readouts import READOUTS

__all__ = ["LEVER_COLUMNS", "Arm", "arms_of", "columns_of", "control_rows", "lever_rows", "nll_at"]

LEVER_COLUMNS = [
    *("lever", "title", "kind", "block_dim", "qubits", "seeds"),
    *("lambda_c", "lambda_c_low", "lambda_c_high", "censored", "gain", "gain_low", "gain_high"),
    *("identity_difference", "identity_difference_low", "identity_difference_high"),
    *("adapter_parameters", "two_qubit_gates", *(f"infidelity_{source}" for source in SOURCES)),
    *("circuits_per_token", "circuits_once", "shots", "training_steps"),
    *("ansatz", "brickwork_depth", "trained_noise_scale", "readout", "mitigation", "synthesis"),
    *("backend", "layout", "targets"),
]
"""With perplexities at each noise scale among them, see :func:`columns_of`. ``identity_difference`` is nll minus that
of the identity block at noise scale 1, both in nats a token: below 0 where what was learnt helps, and not only what
noise does to any block."""


@dataclass(frozen=True, eq=False)
class Arm:
    """One lever, or one identity control, at one block dimension.

    Attributes:
        name: of it.
        cells: its rows, all seeds.
        curve: nll over the noise scale.
        exact: perplexity of the same blocks in exact arithmetic, no circuit and no noise.
        errors: source → infidelity of its circuits at noise scale 1.
    """

    name: str
    cells: pd.DataFrame
    curve: Curve
    exact: float
    errors: Mapping[str, float]

    @property
    def block_dim(self) -> int:
        """d of the blocks."""
        return self.curve.block_dim

    @property
    def per_token(self) -> bool:
        """Whether every token takes circuits."""
        return not READOUTS[str(self.cells["readout"].iloc[0])].once


def arms_of(
    name: str,
    cells: pd.DataFrame,
    losses: np.ndarray,
    documents: np.ndarray,
    compressed: np.ndarray,
    errors: Mapping[int, Mapping[str, float]],
    shots: float,
    bootstrap: int = 1000,
) -> list[Arm]:
    """Read one lever's cells, of all block dimensions and seeds.

    Documents are drawn alike for all levers, so that differences between their curves' replicates are paired; shots and
    seeds are not.

    Args:
        name: of the lever.
        cells: its rows.
        losses: ``(rows, tokens)`` nats, row for row.
        documents: ``(tokens,)``.
        compressed: ``(tokens,)`` nats of the compressed model.
        errors: block dimension → source → infidelity.
        shots: the number that counts.
        bootstrap: replicates.
    """
    device = cells["executor"] != "exact"
    readout = str(cells.loc[device, "readout"].iloc[0])
    rows = select_cells(cells[device], readout, shots)
    chosen, ratio = cells[device].iloc[rows], float(cells["compression_ratio"].iloc[0])
    curves = make_curves(
        chosen,
        losses[device.to_numpy()][rows],
        documents,
        {ratio: compressed},
        bootstrap=bootstrap,
        seed=0,
        salt=zlib.crc32(name.encode()),
    )
    exact = cells[~device].groupby("block_dim")["nll"].mean()
    return [
        Arm(
            name,
            chosen[chosen["block_dim"] == curve.block_dim],
            curve,
            math.exp(exact[curve.block_dim]),
            errors.get(curve.block_dim, {}),
        )
        for curve in curves
    ]


def nll_at(arm: Arm, noise_scale: float) -> np.ndarray:
    """``(1 + R)`` nats a token at a noise scale of the configured axis: the estimate, then its replicates."""
    found: np.ndarray = arm.curve.nll[arm.curve.axis == noise_scale][0]
    return found


def columns_of(noise_scales: Sequence[float]) -> list[str]:
    """The table's columns for a noise axis."""
    at = [f"{name}_at_{scale:g}" for name in ("perplexity", "identity") for scale in noise_scales]
    return [*LEVER_COLUMNS[:10], "perplexity_exact", *at, *LEVER_COLUMNS[10:]]


def lever_rows(
    arms: Sequence[Arm],
    identities: Mapping[tuple[str, int], Arm],
    noise_scales: Sequence[float],
    clusters: int,
    steps: int,
    labels: Mapping[str, tuple[str, str]],
) -> list[dict[str, Any]]:
    """One row a lever and block dimension.

    Args:
        arms: the levers'.
        identities: name and block dimension of a lever → its identity control.
        noise_scales: of the configured axis, 1 among them.
        clusters: test documents.
        steps: of training.
        labels: name of a lever → its title and kind.
    """
    rows = []
    for arm in arms:
        curve, first = arm.curve, arm.cells.iloc[0]
        critical, censored = curve.critical()
        low, high = curve.critical_interval(clusters)
        twin = identities[arm.name, arm.block_dim]
        learnt = nll_at(arm, 1.0) - nll_at(twin, 1.0)
        blocks = _blocks(first)
        row = {
            "lever": arm.name,
            "title": labels[arm.name][0],
            "kind": labels[arm.name][1],
            "seeds": curve.seeds,
            "lambda_c": critical[0],
            "lambda_c_low": low,
            "lambda_c_high": high,
            "censored": {-1: "below", 1: "above"}.get(int(censored[0])),
            "perplexity_exact": arm.exact,
            "gain": curve.gain[0],
            "identity_difference": learnt[0],
            **{f"infidelity_{source}": arm.errors.get(source) for source in SOURCES},
            "circuits_per_token": blocks if arm.per_token else 0,
            "circuits_once": 0 if arm.per_token else blocks * arm.block_dim * (arm.block_dim + 1) // 2,
            "training_steps": steps,
        }
        row["gain_low"], row["gain_high"] = interval(curve.gain[1:], clusters)
        row["identity_difference_low"], row["identity_difference_high"] = interval(learnt[1:], clusters)
        for scale in noise_scales:
            row[f"perplexity_at_{scale:g}"] = math.exp(nll_at(arm, scale)[0])
            row[f"identity_at_{scale:g}"] = math.exp(nll_at(twin, scale)[0])
        row["two_qubit_gates"] = curve.two_qubit_gates
        given = (name for name in LEVER_COLUMNS if name in first and name not in row)
        rows.append(row | {name: first[name] for name in given})
    return rows


def _blocks(cell: pd.Series) -> int:
    """How many blocks a cell's parameters are those of."""
    d = int(cell["block_dim"])
    family = ANSATZES[cell["ansatz"]]
    depth = int(cell["brickwork_depth"]) if family.layered else 0
    return int(cell["adapter_parameters"]) // math.prod(family.theta_shape(d, depth))


def control_rows(baselines: pd.DataFrame, ratio: float) -> list[dict[str, Any]]:
    """The models without any circuit, in the same columns: uncompressed, compressed, and classical adapters."""
    own = baselines[(baselines["compression_ratio"] == ratio) | (baselines["method"] == "uncompressed")]
    rows = []
    for (method, d), group in own.groupby(["method", "matched_block_dim"], dropna=False, sort=False):
        rows.append(
            {
                "lever": method,
                "title": f"{method}, no circuit",
                "kind": "control",
                "block_dim": d,
                "seeds": len(group),
                "perplexity_exact": math.exp(group["nll"].mean()),
                "adapter_parameters": group["adapter_parameters"].iloc[0],
            }
        )
    return rows
