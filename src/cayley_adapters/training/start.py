"""A closed-form start: blocks that rotate activations towards the uncompressed projections' outputs.

For a projection W of the uncompressed model with inputs X and its counterpart W' with inputs X' in the compressed one,
the inputs that would give the wanted outputs are Z = X' + W'⁺(WX − W'X'), with a regularised pseudo-inverse. Block b is
the rotation of slice b that comes closest to them, argmin ‖Q_b X'_b − Z_b‖: orthogonal Procrustes (Schönemann,
Psychometrika 31, 1 (1966)), Q_b = U diag(1, …, 1, det UVᵀ) Vᵀ with U S Vᵀ = Z_b X'_bᵀ.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.adapters import adapted_layers, inverse_cayley
from cayley_adapters.compression.observation import layer_inputs, run_layer

__all__ = ["procrustes", "procrustes_start"]

RIDGE = 1e-2
"""Added to W'ᵀW', relative to its mean diagonal."""


def procrustes(cross: torch.Tensor) -> torch.Tensor:
    """Rotations Q that maximise tr(Qᵀ C), determinant +1.

    Args:
        cross: C = Z Xᵀ, ``(…, d, d)``.

    Returns:
        ``(…, d, d)``, of the same precision.
    """
    u, _, vh = torch.linalg.svd(cross)
    signs = torch.ones(cross.shape[:-1], dtype=cross.dtype)
    signs[..., -1] = torch.linalg.det(u @ vh).sign()
    return (u * signs[..., None, :]) @ vh


@torch.no_grad()
def procrustes_start(
    model: Any,
    teacher: Any,
    tokens: np.ndarray,
    batch_windows: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Set the blocks of an adapted model, layer after layer, each with what the layers below it now produce.

    Args:
        model: a PEFT model with Cayley adapters of the ``full`` ansatz.
        teacher: the uncompressed model.
        tokens: ``(windows, window)`` calibration token ids.
        batch_windows: windows that go through a layer at once.
        progress: called with (layers done, layers).
    """
    batches = np.array_split(tokens, -(-len(tokens) // batch_windows))
    adapted, base = adapted_layers(model), model.get_base_model()
    wanted, kwargs = layer_inputs(teacher, batches)
    states, _ = layer_inputs(base, batches)
    layers = base.model.layers
    for index, (layer, original) in enumerate(zip(layers, teacher.model.layers, strict=True)):
        mine = {name: item for name, item in adapted.items() if name.startswith(f"model.layers.{index}.")}
        sums: dict[str, list[torch.Tensor]] = {}
        for position, (state, target) in enumerate(zip(states, wanted, strict=True)):
            inputs = _watched(layer, mine, state, kwargs, inputs=True)
            outputs = _watched(original, {n: teacher.get_submodule(n) for n in mine}, target, kwargs, inputs=False)
            for name, x in inputs.items():
                parts = [x.T @ x, outputs[name].T @ x]
                sums[name] = [old + new for old, new in zip(sums[name], parts, strict=True)] if position else parts
        for name, (gram, cross) in sums.items():
            _set_blocks(mine[name], gram.double(), cross.double())
        states, wanted = run_layer(layer, states, kwargs), run_layer(original, wanted, kwargs)
        if progress:
            progress(index + 1, len(layers))


def _watched(
    layer: nn.Module, modules: dict[str, nn.Module], state: torch.Tensor, kwargs: dict[str, Any], inputs: bool
) -> dict[str, torch.Tensor]:
    """What enters or leaves some modules of a layer, ``(tokens, features)`` each."""
    seen: dict[str, torch.Tensor] = {}

    def hook(name: str) -> Callable[[nn.Module, Sequence[torch.Tensor], torch.Tensor], None]:
        return lambda _, args, output: seen.update({name: (args[0] if inputs else output).flatten(0, -2)})

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        layer(state, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _set_blocks(layer: Any, gram: torch.Tensor, cross: torch.Tensor) -> None:
    """Blocks from X'X'ᵀ ``(in, in)`` and WX X'ᵀ ``(out, in)``."""
    name = layer.active_adapters[0]
    theta = layer.cayley_theta[name]
    weight = layer.get_base_layer().weight.detach().double()
    square = weight.T @ weight
    square += RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    towards = gram + torch.linalg.solve(square, weight.T @ (cross - weight @ gram))
    count = len(theta)
    d = len(gram) // count
    diagonal = torch.stack([towards[b * d : (b + 1) * d, b * d : (b + 1) * d] for b in range(count)])
    theta.copy_(inverse_cayley(procrustes(diagonal)))
