"""Gates, depth and estimated fidelity of the trained blocks' circuits, beside those of Qiskit's own synthesis."""

from __future__ import annotations

from typing import Any

import numpy as np

from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.qiskit import block_circuit, circuit_figures, qiskit_circuit
from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.tracked import TrackedRun
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import device_noise

__all__ = ["run"]

COLUMNS = ["compression_ratio", "block_dim", "seed", "synthesis", "blocks", "cz", "sx", "rz", "depth", "gate_fidelity"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write two rows a cell: the mean over all blocks of our circuits, and over a few of them of Qiskit's.

    The fidelity is the product of 1 - error over a circuit's gates on the configured qubits of the device, as
    calibrated. Preparation (of a random slice for Qiskit) and block are counted together, the readout is not.
    """
    noise, rows = device_noise(settings.noise), []
    paths = job.inputs["angles"]
    progress = Progress(job.label)
    for index, path in enumerate(paths):
        circuits = load_circuits(path)
        if circuits:
            cell = manifest_columns("/".join(path.parent.parts[-3:]))
            rows += [cell | row for row in _rows(list(circuits.values()), noise, settings.transpile.compared_blocks)]
        progress(index + 1, len(paths))
    table = write_table(rows, job.outputs["table"], COLUMNS)
    config = {"cell": "map", "noise": job.leaves["noise"]}
    tracked = TrackedRun("compare_circuits", "compare_circuits", config, tables={"circuits_table": table})
    return Outcome(tracked=[tracked])


def _rows(projections: list[Any], noise: DeviceNoise, compared: int) -> list[dict[str, Any]]:
    n = projections[0].ansatz.qubits
    line, x = noise.line(n), np.random.default_rng(0).normal(size=2**n)
    lengths = np.concatenate([item.lengths for item in projections])
    values = np.unique(lengths)
    stubs = [block_circuit(projections[0].stub(int(length)), x, noise) for length in values]
    figures = [circuit_figures(stub, line) for stub in stubs]
    weights = (lengths[:, None] == values).mean(axis=0)
    mean = {key: sum(w * one[key] for w, one in zip(weights, figures, strict=True)) for key in figures[0]}
    rows = [{"synthesis": "ours", "blocks": len(lengths), **mean}]
    if chosen := min(compared, len(lengths)):
        picked = np.linspace(0, len(projections) - 1, chosen).astype(int)
        matrices = [projections[p][:1].unitaries()[0] for p in picked]
        found = [circuit_figures(qiskit_circuit(q, x), line) for q in matrices]
        rows.append({"synthesis": "qiskit", "blocks": chosen} | {k: np.mean([f[k] for f in found]) for k in found[0]})
    return rows
