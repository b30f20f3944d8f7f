"""A cheap, smooth stand-in for a device's noise, and training through it.

The exact map from a block to its noisy probabilities goes through the block's RY angles, which have no useful
derivative: near the identity, where training starts, the Euler angles of a block are a choice, and from three qubits on
they come from a search. What noise does to a circuit is, for the larger part, to mix in a uniform background and to
flip read bits, and that depends on the ansatz alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cayley_adapters.adapters.cayley.layer import CayleyLayer, constrain_signs
from cayley_adapters.adapters.cayley.rotation import full_precision
from cayley_adapters.circuits.ansatz import Ansatz, full, qubits_of
from cayley_adapters.circuits.noise.device import DeviceNoise

__all__ = ["SurrogateExecutor", "surrogate"]

LEAST = 1e-8
"""Probabilities are raised to this before the square root, whose derivative is infinite at 0."""


def surrogate(
    q: torch.Tensor, x: torch.Tensor, noise: DeviceNoise | None = None, ansatz: Ansatz | None = None
) -> torch.Tensor:
    """Return ideal probabilities after one depolarising channel and the readout flips.

    p = A (f |Qx|²/|x|² + (1 − f)/d) with the confusion A of the readout and the share f of runs that no gate error hits
    (:meth:`cayley_adapters.circuits.noise.calibration.Line.survival`): what noise does if its errors spread evenly.

    Args:
        q: Blocks, ``(B, d, d)``.
        x: Slices, ``(T, B, d)``, on any device.
        noise: The device; None is an ideal one.
        ansatz: Of the blocks' circuits; the full one if None.

    Returns:
        ``(T, B, d)``, differentiable with respect to q and x.
    """
    square = torch.einsum("bij,tbj->tbi", q, x).square()
    p = square / square.sum(-1, keepdim=True).clamp(min=1e-30)
    if noise is None or noise.scale == 0:
        return p
    n = qubits_of(x.shape[-1])
    lines = noise.lines(n)
    share = x.new_tensor([line.survival(ansatz or full(n)) for line in lines])
    flips = torch.stack([torch.as_tensor(line.confusion()).to(x) for line in lines])
    owner = torch.arange(x.shape[1], device=x.device) % len(lines)
    share = share[owner][:, None]
    return torch.einsum("bij,tbj->tbi", flips[owner], share * p + (1 - share) / x.shape[-1])


class SurrogateExecutor:
    """Runs a model's own blocks, as they are being trained, through :func:`surrogate` and the sign-constrained readout.

    Args:
        layers: projection → adapted layer.
        noise: the device.
    """

    follows_parameters = True
    """See :func:`cayley_adapters.adapters.cayley.model.set_executor`."""

    def __init__(self, layers: Mapping[str, CayleyLayer], noise: DeviceNoise) -> None:
        self._layers, self._noise = layers, noise

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        layer = self._layers[key]
        q = layer.blocks()
        width = q.shape[0] * q.shape[1]
        slices = torch.nn.functional.pad(x, (0, width - x.shape[-1])).reshape(-1, *q.shape[:2]).float()
        with full_precision(x.device.type):
            p = surrogate(q, slices, self._noise, layer.ansatz())
        y = constrain_signs(slices, p.clamp(min=LEAST).sqrt() * slices.norm(dim=-1, keepdim=True))
        return y.reshape(*x.shape[:-1], width)[..., : x.shape[-1]].to(x.dtype)
