"""How far mitigated amplitudes are off where the device is not as calibrated.

    python benchmarks/bench_mitigation.py docs/data

Forty random rotations of each dimension, sixty random slices each, 8,192 shots, median qubits of FakeFez: root mean
square distance of the square roots of mitigated and of ideal probabilities. The table appears in the folder as
``mitigation_errors.csv``.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.simulation.compiled import noisy_probabilities
from cayley_adapters.simulation.measurement import sample
from cayley_adapters.simulation.mitigations import mitigations_for

SHOTS = 8192
DEVICES = {
    "as calibrated": NOTHING,
    "30 % fewer errors": Hidden(shared=-0.3),
    "20 % fewer errors": Hidden(shared=-0.2),
    "20 % more errors": Hidden(shared=0.2),
    "30 % more errors": Hidden(shared=0.3),
    "factors of their own, σ = 0.2": Hidden(drift=0.2),
    "25 % coherent": Hidden(coherent=0.25),
    "50 % coherent": Hidden(coherent=0.5),
    "20 % more errors, 25 % coherent": Hidden(shared=0.2, coherent=0.25),
    "25 % coherent, twirled": Hidden(coherent=0.25, twirled=True),
    "50 % coherent, twirled": Hidden(coherent=0.5, twirled=True),
    "20 % more errors, 25 % coherent, twirled": Hidden(shared=0.2, coherent=0.25, twirled=True),
}


def main() -> None:
    """Print the table, and write it."""
    rng, rows = np.random.default_rng(0), []
    for d in (4, 8):
        q = np.linalg.qr(rng.normal(size=(40, d, d)))[0]
        q[np.linalg.det(q) < 0, 0] *= -1
        circuits, x = synthesise(q), rng.normal(size=(60, 40, d))
        ideal = np.sqrt(np.maximum(noisy_probabilities(circuits, x), 0))
        for scale in (1.0, 3.0):
            for name, hidden in DEVICES.items():
                noise = replace(DeviceNoise.from_backend("FakeFez", scale, idle=True), hidden=hidden)
                counted = sample(noisy_probabilities(circuits, x, noise), SHOTS, np.random.default_rng(1))
                for kind in ("none", "readout+depolarizing", "measured"):
                    undo = mitigations_for(kind, {"p": circuits}, noise, SHOTS, 0)["p"]
                    p = counted if undo is None else undo(counted)
                    error = np.sqrt(np.square(np.sqrt(p) - ideal).sum(axis=-1).mean())
                    rows.append(
                        {"block_dim": d, "noise_scale": scale, "device": name, "mitigation": kind, "error": error}
                    )
    table = pd.DataFrame(rows).round({"error": 5})
    print(table.pivot_table("error", ["block_dim", "noise_scale", "device"], "mitigation", sort=False).to_string())
    if len(sys.argv) > 1:
        table.to_csv(Path(sys.argv[1]) / "mitigation_errors.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
