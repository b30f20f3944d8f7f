"""What runs the blocks of an adapted model: exact arithmetic, the batched simulator, or Qiskit Aer.

An executor takes the activations that enter a projection and returns them with every slice run through its block.
:func:`cayley_adapters.adapters.set_executor` gives one to a model; switching needs no reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch

from cayley_adapters.adapters.layer import constrain_signs, rotate
from cayley_adapters.kernels.shots import magnitudes
from cayley_adapters.measurement import Mitigation, sample
from cayley_adapters.noise import DeviceNoise
from cayley_adapters.simulator import CompiledBlocks, probabilities
from cayley_adapters.synthesis import BlockCircuits

__all__ = ["AerExecutor", "ExactExecutor", "Executor", "NoisyExecutor"]


class Executor(Protocol):
    """Activations of a layer in, activations out."""

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        """Run every slice of ``x`` through its block.

        Args:
            key: name of the adapted projection.
            x: its input, ``(…, B·d)``.

        Returns:
            ``(…, B·d)``, of the same dtype.
        """
        ...


class ExactExecutor:
    """Plain arithmetic with the blocks, or with maps that were measured once on a device.

    Args:
        blocks: projection → ``(B, d, d)``.
        readout: ``signed`` y = Qx, or ``sign_constrained`` y = sign(x)·|Qx|.
    """

    def __init__(self, blocks: Mapping[str, torch.Tensor], readout: str) -> None:
        self._blocks, self._signed = blocks, readout == "signed"

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        y = rotate(self._blocks[key].to(x.dtype), x)
        return y if self._signed else constrain_signs(x, y.abs())


class NoisyExecutor:
    """Circuits on a noisy device, simulated: y_k = s_k·‖x‖·√p̂_k.

    The signs s_k, which no measurement of these circuits shows, are those of the inputs, as in arXiv:2605.05914
    (``sign_constrained``), or those of the exact product (``ideal_sign``: no device could know them without doing the
    computation, so it is an upper bound). With finite shots p̂ is unbiased, but √p̂ underestimates √p by about
    (1 − p)/(8·shots·√p), and its variance is (1 − p)/(4·shots).

    Args:
        blocks: projection → compiled blocks, with the device's noise in them.
        shots: measurements a circuit; ``inf`` for the probabilities themselves.
        seed: of the shots; the same seed gives the same counts.
        mitigation: projection → what is undone in the measured frequencies.
        ideal: projection → trained blocks ``(B, d, d)``, whose products lend their signs; the inputs' if None.
    """

    def __init__(
        self,
        blocks: Mapping[str, CompiledBlocks],
        shots: float = np.inf,
        seed: np.random.SeedSequence | None = None,
        mitigation: Mapping[str, Mitigation | None] | None = None,
        ideal: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._blocks, self._shots, self._mitigation, self._ideal = blocks, shots, mitigation or {}, ideal
        self._generator = np.random.default_rng(seed)

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        blocks = self._blocks[key]
        count, d = blocks.effects.shape[:2]
        flat = x.detach().reshape(-1, count * d).float().contiguous()
        slices = flat.numpy().reshape(-1, count, d)
        p = sample(probabilities(blocks, slices), self._shots, self._generator)
        if mitigation := self._mitigation.get(key):
            p = mitigation(p)
        signs = flat if self._ideal is None else rotate(self._ideal[key].to(flat.dtype), flat)
        y = np.empty((len(slices) * count, d), dtype=np.float32)
        magnitudes(slices.reshape(-1, d), p.reshape(-1, d), signs.numpy().reshape(-1, d), y)
        return torch.from_numpy(y).reshape(x.shape).to(x.dtype)


class AerExecutor:
    """The same circuits in Qiskit Aer, one density matrix a slice: the referee, thousands of times slower.

    Args:
        circuits: projection → synthesised blocks.
        noise: the device.
    """

    def __init__(self, circuits: Mapping[str, BlockCircuits], noise: DeviceNoise) -> None:
        self._circuits, self._noise = circuits, noise

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        from cayley_adapters.aer import aer_probabilities

        circuits = self._circuits[key]
        slices = x.detach().reshape(-1, len(circuits), 2**circuits.ansatz.qubits).double()
        p = torch.from_numpy(aer_probabilities(circuits, slices.numpy(), self._noise))
        y = constrain_signs(slices, p.clamp(min=0).sqrt() * slices.norm(dim=-1, keepdim=True))
        return y.reshape(x.shape).to(x.dtype)
