"""What the kernels compute for a few blocks, for a comparison of compiled code with the same code as plain Python.

python tests/simulation/kernel_results.py FILE.npz
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch

from cayley_adapters import DeviceNoise, cayley, compile_blocks, noisy_probabilities
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.circuits.synthesis import brickwork_circuits, synthesise, synthesise_for
from cayley_adapters.simulation.executors import NoisyExecutor
from cayley_adapters.simulation.measurement import sample
from cayley_adapters.simulation.mitigations import mitigation_for

__all__ = ["results"]


def results() -> Iterator[tuple[str, np.ndarray]]:
    """Names and arrays, the same at every call."""
    noise = DeviceNoise.from_backend("FakeFez", layout="best")
    for qubits in (1, 2, 3):
        d = 2**qubits
        rng = np.random.default_rng(qubits)
        theta = torch.from_numpy(rng.normal(size=(2, d * (d - 1) // 2))).requires_grad_()
        x = torch.from_numpy(rng.normal(size=(3, 2 * d))).requires_grad_()
        q = cayley(theta)
        y = rotate(q, x)
        y.square().sum(dim=0)[::3].sum().backward()
        yield f"product {d}", y.detach().numpy()
        yield f"gradients {d}", np.concatenate([theta.grad.numpy().ravel(), x.grad.numpy().ravel()])
        blocks, slices = q.detach().numpy(), x.detach().numpy().reshape(3, 2, d)
        slices[0, 0] = 0
        circuits = synthesise_for(blocks, noise.lines(qubits)[0], starts=1) if qubits < 3 else synthesise(blocks)
        yield f"angles {d}", circuits.angles
        p = noisy_probabilities(circuits, slices, noise)
        yield f"probabilities {d}", p
        for shots in (5, 8192):
            yield f"frequencies {d} {shots}", sample(p, shots, np.random.default_rng(0))
        mitigation = mitigation_for("readout+depolarizing", circuits, noise)
        yield f"mitigated {d}", mitigation(sample(p, 64, np.random.default_rng(1)))
        executor = NoisyExecutor({"a": compile_blocks(circuits, noise)})
        yield f"executed {d}", executor("a", x.detach().float()).numpy()
    rng = np.random.default_rng(4)
    gates = cayley(torch.from_numpy(rng.normal(size=(2, 3, 6)))).numpy()
    yield "probabilities 16", noisy_probabilities(brickwork_circuits(gates, 4, 2), rng.normal(size=(3, 2, 16)), noise)


if __name__ == "__main__":
    np.savez(sys.argv[1], **dict(results()))
