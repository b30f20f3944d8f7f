"""What runs the blocks of an adapted model: exact arithmetic, or circuits on a noisy device.

An executor takes the activations that enter a projection and returns them with every slice run through its block.
:func:`cayley_adapters.adapters.set_executor` gives one to a model; switching needs no reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch

from cayley_adapters.adapters import constrain_signs, rotate
from cayley_adapters.simulator import CompiledBlocks, probabilities

__all__ = ["CircuitExecutor", "ExactExecutor", "Executor", "sample"]


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
    """Plain arithmetic with the blocks.

    Args:
        blocks: projection → ``(B, d, d)``.
        readout: ``signed`` y = Qx, or ``sign_constrained`` y = sign(x)·|Qx|.
    """

    def __init__(self, blocks: Mapping[str, torch.Tensor], readout: str) -> None:
        self._blocks, self._signed = blocks, readout == "signed"

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        y = rotate(self._blocks[key].to(x.dtype), x)
        return y if self._signed else constrain_signs(x, y.abs())


class CircuitExecutor:
    """Circuits with the sign-constrained readout of arXiv:2605.05914: y_k = sign(x_k)·‖x‖·√p̂_k.

    With finite shots p̂ = counts/shots is unbiased, but √p̂ underestimates √p by about (1 − p)/(8·shots·√p).

    Args:
        blocks: projection → compiled blocks, with the device's noise in them, or the blocks themselves ``(B, d, d)``
            for an ideal device.
        shots: measurements a circuit; ``inf`` for the probabilities themselves.
        seed: of the shots; the same seed gives the same counts.
    """

    def __init__(
        self, blocks: Mapping[str, CompiledBlocks | torch.Tensor], shots: float, seed: np.random.SeedSequence
    ) -> None:
        self._blocks, self._shots = blocks, shots
        self._generator = np.random.default_rng(seed)

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        blocks = self._blocks[key]
        count, d = (blocks if isinstance(blocks, torch.Tensor) else blocks.effects).shape[:2]
        slices = x.reshape(-1, count, d).float()
        norm = slices.norm(dim=-1, keepdim=True)
        if isinstance(blocks, torch.Tensor):
            p = (rotate(blocks.float(), slices.flatten(1)).view_as(slices) / norm.clamp(min=1e-30)).square()
        else:
            p = probabilities(blocks, slices)
        if np.isfinite(self._shots):
            p = torch.from_numpy(sample(p.numpy(), int(self._shots), self._generator))
        # A zero slice is run as |0…0⟩ and its result, times its norm, is zero.
        return constrain_signs(slices, p.clamp(min=0).sqrt() * norm).reshape(x.shape).to(x.dtype)


def sample(p: np.ndarray, shots: int, generator: np.random.Generator) -> np.ndarray:
    """Relative frequencies of multinomial samples.

    Args:
        p: probabilities ``(…, d)``; each row is normalised first, since float32 sums are off by 1e-7.
        shots: measurements a row.
        generator: source of randomness.

    Returns:
        counts / shots, ``(…, d)`` float32.
    """
    weights = np.maximum(p, 0).astype(np.float64).reshape(-1, p.shape[-1])
    total = weights.sum(-1, keepdims=True)
    # An all-zero row (a zero slice on an ideal device) stands for |0…0⟩.
    weights[:, 0] += total[:, 0] == 0
    weights /= np.where(total == 0, 1, total)
    return (generator.multinomial(shots, weights) / shots).astype(np.float32).reshape(p.shape)
