"""Bring every trained block to the device's native gates, and count them."""

from __future__ import annotations

from cayley_adapters.adapters.transform import cayley
from cayley_adapters.circuits import circuit_summary
from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job, manifest_columns
from cayley_adapters.progress import Progress, say
from cayley_adapters.settings.sections import LARGEST_NOISY_BLOCK
from cayley_adapters.synthesis import block_angles, block_residual
from cayley_adapters.tables import write_table

__all__ = ["run"]

COLUMNS = ["projection", "block", "cz", "sx", "rz", "depth", "deviation"]


def run(job: Job) -> None:
    """Write each block's angles, and a table of each block's own circuit.

    All circuits on n qubits share one skeleton, so gates and depth are those of the skeleton; that a block's angles
    turn the skeleton into that very block is checked for every block, and the deviation written beside the counts.
    """
    from safetensors.numpy import save_file
    from safetensors.torch import load_file

    outputs = job.outputs()
    block_dim = int(manifest_columns("/".join(job.cell.values()))["block_dim"])
    angles, rows = {}, []
    if block_dim <= LARGEST_NOISY_BLOCK:
        stored = load_file(job.inputs()["adapter"][0])
        counts = circuit_summary(block_dim.bit_length() - 1)
        size = {"cz": counts.cz, "sx": counts.sx, "rz": counts.rz, "depth": counts.depth}
        progress = Progress(job.label)
        for index, (name, theta) in enumerate(stored.items()):
            projection = name.removeprefix("base_model.model.").removesuffix(".cayley_theta")
            q = cayley(theta.double()).numpy()
            angles[projection] = block_angles(q)
            for block, deviation in enumerate(block_residual(angles[projection], q)):
                rows.append({"projection": projection, "block": block, **size, "deviation": deviation})
            progress(index + 1, len(stored))
    else:
        say(f"{job.label}: blocks of dimension {block_dim} are not run as circuits, so there is nothing to count")
    with atomic_file(outputs["angles"]) as temporary:
        save_file(angles, temporary)
    write_table(rows, outputs["blocks"], COLUMNS)
