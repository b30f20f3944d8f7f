"""What readout, mitigation and noise-aware circuits do to SmolLM2-135M's perplexity under device noise.

    python benchmarks/bench_readouts.py [FILE.csv]

Trains blocks of two, three and four qubits on v_proj and o_proj through the workflow (results/readouts; a finished run
is not repeated), then evaluates the same blocks at noise scales 0.5, 1 and 2 with 8,192 shots in every way. Noise-aware
circuits of four qubits are left out: searching all lengths takes a second or more a block.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import load_cell, run_workflow

from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise_for
from cayley_adapters.simulation.compiled import compile_blocks
from cayley_adapters.simulation.executors import ExactExecutor, NoisyExecutor, characterised
from cayley_adapters.simulation.mitigations import mitigation_for

OVERRIDES = "run=readouts sweep.block_dim=4,8,16 sweep.compression_ratio=0.2 sweep.noise_scale=0,1"
BASE, SHOTS = Path("results/readouts"), 8192
WAYS = [
    ("exact", "sign_constrained", "none"),
    ("exact", "sign_constrained", "readout"),
    ("exact", "sign_constrained", "readout+depolarizing"),
    ("noise_aware", "sign_constrained", "none"),
    ("noise_aware", "sign_constrained", "readout+depolarizing"),
    ("exact", "ideal_sign", "none"),
    ("exact", "ideal_sign", "readout+depolarizing"),
    ("exact", "characterised", "none"),
]


def main() -> None:
    run_workflow(OVERRIDES)
    compressed = pd.read_csv(BASE / "baselines.csv").query("method == 'compressed'").perplexity.iloc[0]
    print(f"compressed, without blocks: {compressed:.2f}; {SHOTS} shots, FakeFez, median qubits, v_proj and o_proj")
    rows = []
    for d in (4, 8, 16):
        cell, n = load_cell(BASE, d), d.bit_length() - 1
        single = {key: q.float() for key, q in cell.blocks.items()}
        for readout in ("signed", "sign_constrained"):
            print(f"d = {d}, exact arithmetic, {readout}: {cell.perplexity(ExactExecutor(single, readout))[0]:.2f}")
        for scale in (0.5, 1.0, 2.0):
            noise = DeviceNoise.from_backend("FakeFez", scale=scale)
            circuits = {"exact": cell.circuits}
            if n < 4:
                start = time.perf_counter()
                aware = {key: synthesise_for(q.numpy(), noise.line(n)) for key, q in cell.blocks.items()}
                mean, seconds = np.mean([item.lengths.mean() for item in aware.values()]), time.perf_counter() - start
                print(f"d = {d}, noise scale {scale}: {mean:.1f} CZ a noise-aware block, found in {seconds:.0f} s")
                circuits["noise_aware"] = aware
            compiled = {
                name: {key: compile_blocks(item, noise) for key, item in found.items()}
                for name, found in circuits.items()
            }
            for synthesis, readout, mitigation in [way for way in WAYS if way[0] in circuits]:
                undo = {key: mitigation_for(mitigation, item, noise) for key, item in circuits[synthesis].items()}
                options: dict[str, Any] = {"shots": SHOTS, "seed": np.random.SeedSequence(0)}
                signs = single if readout == "ideal_sign" else None
                executor: Any = NoisyExecutor(compiled[synthesis], mitigation=undo, ideal=signs, **options)
                if readout == "characterised":
                    executor = characterised(executor, cell.blocks, undo, **options)
                way = {"synthesis": synthesis, "readout": readout, "mitigation": mitigation}
                rows.append({"d": d, "noise_scale": scale, **way, "perplexity": cell.perplexity(executor)[0]})
                print("  ", *rows[-1].values(), flush=True)
    index = ["synthesis", "readout", "mitigation"]
    table = pd.DataFrame(rows).pivot_table("perplexity", index, ["d", "noise_scale"], sort=False)
    print(table.to_string(float_format="%.4g"))
    if len(sys.argv) > 1:
        table.to_csv(sys.argv[1])


if __name__ == "__main__":
    main()
