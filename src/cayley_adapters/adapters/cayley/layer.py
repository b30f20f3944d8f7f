"""The layer that rotates a projection's input, slice by slice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import nn

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.circuits.ansatz import ANSATZES, Ansatz, qubits_of
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.registry import load

__all__ = ["CayleyLayer", "blocks_of", "constrain_signs"]


def constrain_signs(x: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """Give ``magnitude`` the signs of ``x``, where sign(0) = +1: the paper's readout."""
    return torch.where(x < 0, -magnitude, magnitude)


def blocks_of(theta: torch.Tensor, config: CayleyConfig) -> torch.Tensor:
    """The blocks ``(B, d, d)`` of free parameters, in their precision."""
    n = config.block_dim.bit_length() - 1
    made: torch.Tensor = load(ANSATZES[config.ansatz].blocks_builder)(theta, n, config.brickwork_depth)
    return made


def _precise(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _turn(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Rotate ``x`` in float32 or better, and give it back in its own precision: blocks are never rounded to fewer."""
    precise = _precise(x)
    return rotate(q.to(precise.dtype), precise).to(x.dtype)


class CayleyLayer(nn.Module, BaseTunerLayer):
    """Wraps a projection W: y = W · blockdiag(Q) x.

    ``executor``, when set, replaces the exact product: it is called with ``(key, x)`` and returns the rotated ``x``.
    """

    adapter_layer_names = ("cayley_theta",)
    other_param_names = ("cayley_config",)

    def __init__(self, base_layer: nn.Module, adapter_name: str, config: CayleyConfig, key: str) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.key = key
        self.executor: Callable[[str, torch.Tensor], torch.Tensor] | None = None
        self.cayley_theta = nn.ParameterDict()
        self.cayley_config: dict[str, CayleyConfig] = {}
        self._solved: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        base: Any = self.get_base_layer()
        self.in_features: int = base.in_features
        self.out_features: int = base.out_features
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    def update_layer(self, adapter_name: str, config: CayleyConfig, **_: Any) -> None:
        """Add an adapter whose blocks are the identity.

        Raises:
            CayleyError: ``block_dim`` does not divide the projection's inputs.
        """
        d = config.block_dim
        if self.in_features % d:
            allowed = [2**n for n in range(1, self.in_features.bit_length()) if self.in_features % 2**n == 0]
            raise CayleyError(
                f"block_dim={d} does not divide the {self.in_features} inputs of {self.key}; allowed: {allowed}"
            )
        base: Any = self.get_base_layer()
        device = next(base.parameters()).device
        if device.type == "meta" and hasattr(base, "_hf_hook"):
            device = base._hf_hook.execution_device  # accelerate keeps the weights elsewhere until they are needed
        self.cayley_config[adapter_name] = config
        shape = ANSATZES[config.ansatz].theta_shape(d, config.brickwork_depth)
        self.cayley_theta[adapter_name] = nn.Parameter(torch.zeros(self.in_features // d, *shape, device=device))
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Refuse blocks that are no numbers, whoever loads them."""
        for key, value in state_dict.items():
            if key.startswith(f"{prefix}cayley_theta.") and not torch.isfinite(value).all():
                raise CayleyError(f"the adapter's blocks of {self.key} hold NaN or infinity; train it again")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def blocks(self, adapter_name: str | None = None) -> torch.Tensor:
        """The blocks ``(B, d, d)`` of one adapter (default: the active one), in float32 as they are stored.

        Where no gradient is wanted they are solved once and kept for as long as their parameters stay the same.
        """
        name = adapter_name or self.active_adapters[0]
        theta, config = self.cayley_theta[name], self.cayley_config[name]
        if theta.is_meta or (theta.requires_grad and torch.is_grad_enabled()):
            self._solved.pop(name, None)
            return blocks_of(theta, config)
        kept = self._solved.get(name)
        if kept is None or kept[0].dtype != theta.dtype or kept[0].device != theta.device or not kept[0].equal(theta):
            with torch.inference_mode(False):  # what is kept may meet a gradient later
                kept = theta.detach().clone(), blocks_of(theta.detach(), config)
            self._solved[name] = kept
        return kept[1]

    def ansatz(self) -> Ansatz:
        """The circuits' ansatz of the active adapter."""
        config = self.cayley_config[self.active_adapters[0]]
        return ANSATZES[config.ansatz].circuit_of(qubits_of(config.block_dim), config.brickwork_depth)

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if self.disable_adapters and self.merged:
            self.unmerge()
        if not self.disable_adapters and not self.merged:
            for name in self.active_adapters:
                if name in self.cayley_theta:
                    x = self._rotated(x, name)
        y: torch.Tensor = self.base_layer(x, *args, **kwargs)
        return y

    def _rotated(self, x: torch.Tensor, name: str) -> torch.Tensor:
        if self.executor is not None:
            return self.executor(self.key, x)
        y = _turn(self.blocks(name), x)
        return constrain_signs(x, y.abs()) if self.cayley_config[name].readout == "sign_constrained" else y

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Multiply the blocks into the weight.

        The merged adapters act in the order given, after those that an earlier call merged.

        Raises:
            CayleyError: the readout is not linear, so no weight does the same.
            ValueError: ``safe_merge``, and the weight would not be finite. As with all errors, nothing is merged then.
        """
        before = self.merged_adapters
        added = [name for name in check_adapters_to_merge(self, adapter_names) if name in self.cayley_theta]
        for name in added:
            if self.cayley_config[name].readout != "signed":
                raise CayleyError(
                    f"{self.key}: readout={self.cayley_config[name].readout} is not linear, so not mergeable"
                )
        if not added:
            return
        weight = self._inner_weight()
        if not isinstance(weight, nn.Parameter):
            kind = type(self.get_base_layer()).__name__
            raise CayleyError(
                f"{self.key} is a {kind}, which stores no matrix that meets the input: blocks cannot be merged "
                "into it; keep the adapter"
            )
        merged = _precise(weight.data)
        # The last to act comes next to W: W Q₂ Q₁. So what was merged before comes off, and on again.
        for name in reversed(before):
            merged = _turn(self.blocks(name), merged)
        after = [*reversed(added), *before]
        for name in after:
            merged = _turn(self.blocks(name).mT, merged)
        if safe_merge and not torch.isfinite(merged).all():
            raise ValueError(f"NaNs detected in the merged weights. The adapter {', '.join(added)} seems to be broken")
        weight.data, self.merged_adapters = merged.to(weight.dtype), after

    def unmerge(self) -> None:
        """Undo :meth:`merge`, up to rounding."""
        while self.merged_adapters:
            name = self.merged_adapters.pop()
            weight = self._inner_weight()
            weight.data = _turn(self.blocks(name), weight.data)

    def _inner_weight(self) -> nn.Parameter:
        """The weight that meets the input: a dense projection's own, a factored one's inner factor."""
        base: Any = self.get_base_layer()
        weight: nn.Parameter = getattr(base, "down", base).weight
        return weight

    def __repr__(self) -> str:
        return "cayley." + super().__repr__()
