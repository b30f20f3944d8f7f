"""Bring every trained block to the device's native gates, and count them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.layer import blocks_of
from cayley_adapters.adapters.cayley.loading import read_adapter
from cayley_adapters.circuits.files import load_circuits, save_circuits
from cayley_adapters.circuits.gates import circuit_summary
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.circuits.synthesis import lengthened
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.trained_circuits import circuits_of
from cayley_adapters.stages.block_circuits import qiskit_gates, synthesis_of

if TYPE_CHECKING:
    pass

__all__ = ["run"]

COLUMNS = ["projection", "block", "cz", "sx", "rz", "depth", "deviation"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write each block's circuit, and a table of the circuits' gates.

    Where exact circuits of the same blocks are there already, they are made longer with ``transpile.synthesis=qiskit``.
    Circuits of one length share one skeleton, so gates and depth are the skeleton's; that a block's angles turn it into
    that very block is checked for every block, and the largest deviation of an entry written beside the counts.
    """
    inputs, outputs = job.inputs, job.outputs
    config, stored = read_adapter(inputs["adapter"][0].parent, CayleyConfig)
    circuits, rows, synthesis = {}, [], SYNTHESES[settings.transpile.synthesis]
    exact = load_circuits(inputs["exact"][0]) if inputs.get("exact") else None
    if not synthesis.circuits:
        say(f"{job.label}: no circuits are asked for (transpile.synthesis=none)")
    elif config.runs_as_circuit:
        synthesise = synthesis_of(settings, qubits_that_hold(config.dimension))
        count = qiskit_gates(config, settings.transpile.compared_blocks) if synthesis.compared else 0
        progress = Progress(job.label)
        for index, (name, theta) in enumerate(stored.items()):
            projection = name.removeprefix("base_model.model.").removesuffix(".cayley_theta")
            circuits[projection] = exact[projection] if exact else circuits_of(theta.double(), config, synthesise)
            if count:
                circuits[projection] = lengthened(circuits[projection], count)
            wanted = blocks_of(theta.double(), config).numpy()
            deviations = np.abs(circuits[projection].unitaries() - wanted).max(axis=(1, 2), initial=0.0)
            for block, (length, deviation) in enumerate(zip(circuits[projection].lengths, deviations, strict=True)):
                counts = circuit_summary(circuits[projection].ansatz.first(int(length)))
                size = {"cz": counts.cz, "sx": counts.sx, "rz": counts.rz, "depth": counts.depth}
                rows.append({"projection": projection, "block": block, **size, "deviation": deviation})
            progress(index + 1, len(stored))
    else:
        say(
            f"{job.label}: blocks of dimension {config.block_dim} are not run as circuits, so there is nothing to count"
        )
    save_circuits(circuits, outputs["angles"])
    write_table(rows, outputs["blocks"], COLUMNS)
    return Outcome()
