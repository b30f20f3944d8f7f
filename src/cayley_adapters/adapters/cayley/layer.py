"""The layer that rotates a projection's input, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import nn

from cayley_adapters.adapters.cayley.binding import Binding
from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.matrices import MeetingWeight, input_count, output_count, parameter_dtype
from cayley_adapters.adapters.cayley.rotation import full_precision, rotate
from cayley_adapters.circuits.ansatz import ANSATZES, Ansatz, qubits_of
from cayley_adapters.circuits.sizes import WHOLE, block_count
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.registry import load

__all__ = ["CayleyLayer", "blocks_of", "constrain_signs"]

MOST_PADDED = 4
"""A block may be so many times as large as the inputs that it turns; what is beyond turns nothing but zeros."""

RANDOM_ANGLE = 0.5
"""Standard deviation of the free parameters of blocks that do not start as the identity, in radians."""


def constrain_signs(x: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """Give ``magnitude`` the signs of ``x``, where sign(0) = +1: the paper's readout."""
    return torch.where(x < 0, -magnitude, magnitude)


def blocks_of(theta: torch.Tensor, config: CayleyConfig) -> torch.Tensor:
    """The blocks ``(B, d, d)`` of free parameters, in their precision, under autocast too."""
    return _built(theta, config, load(ANSATZES[config.ansatz].blocks_builder))


def _built(theta: torch.Tensor, config: CayleyConfig, builder: Callable[..., torch.Tensor]) -> torch.Tensor:
    with full_precision(theta.device.type):
        return builder(theta, config.block_dim, config.brickwork_depth)


def _precise(x: torch.Tensor) -> torch.Tensor:
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def _turn(q: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Rotate ``x`` in float32 or better, and give it back in its own precision: blocks are never rounded to fewer."""
    precise = _precise(x)
    return rotate(q.to(precise.dtype), precise).to(x.dtype)


class CayleyLayer(nn.Module, BaseTunerLayer):
    """Wraps a projection W: y = W · blockdiag(Q) x; what blocks turn beyond the inputs is zeros, and is dropped."""

    adapter_layer_names = ("cayley_theta",)
    other_param_names = ("cayley_config", "_builders")

    def __init__(self, base_layer: nn.Module, adapter_name: str, config: CayleyConfig, key: str) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.key = key
        self.cayley_theta = nn.ParameterDict()
        self.cayley_config: dict[str, CayleyConfig] = {}
        self._builders: dict[str, Callable[..., torch.Tensor]] = {}
        self._solved: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._binding: Binding | None = None
        self._disable_adapters = False
        self.merged_adapters: list[str] = []
        # The weight below merged blocks that cannot be turned back: free ones, and those that are larger than what they
        # turn, which without their last rows are no rotations.
        self._plain: torch.Tensor | None = None
        base: Any = self.get_base_layer()
        self.in_features = input_count(base, key)
        self.out_features = output_count(base)
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, config)

    def update_layer(self, adapter_name: str, config: CayleyConfig, **_: Any) -> None:
        """Add an adapter whose blocks are the identity, unless its configuration wants random ones.

        Raises:
            CayleyError: ``block_dim`` is far larger than the projection's inputs.
        """
        config = config.sized(self.in_features)
        d = config.dimension
        if d > MOST_PADDED * self.in_features:
            raise CayleyError(
                f"block_dim={d} is more than {MOST_PADDED} times the {self.in_features} inputs of {self.key}; use "
                f"{WHOLE!r} for one block of all of them; block_dim_pattern gives single projections a dimension of "
                "their own"
            )
        base: Any = self.get_base_layer()
        device = next(iter([*base.parameters(), *base.buffers()])).device  # quantised ones have buffers only
        if device.type == "meta" and hasattr(base, "_hf_hook"):
            device = base._hf_hook.execution_device  # accelerate keeps the weights elsewhere until they are needed
        family = ANSATZES[config.ansatz]
        theta = torch.zeros(
            block_count(self.in_features, d), *family.theta_shape(d, config.brickwork_depth), device=device
        )
        if not config.init_weights:
            nn.init.normal_(theta, std=RANDOM_ANGLE)
        self.cayley_config[adapter_name] = config
        self._builders[adapter_name] = load(family.blocks_builder)
        self.cayley_theta[adapter_name] = nn.Parameter(theta.to(parameter_dtype(base)))
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Refuse blocks that are no numbers, whoever loads them."""
        for key, value in state_dict.items():
            if key.startswith(f"{prefix}cayley_theta.") and not torch.isfinite(value).all():
                raise CayleyError(f"the adapter's blocks of {self.key} hold NaN or infinity; train it again")
        super()._load_from_state_dict(state_dict, prefix, *args)

    def blocks(self, adapter_name: str | None = None) -> torch.Tensor:
        """The blocks ``(B, d, d)`` of one adapter (default: the active one), in float32 or better.

        Where no gradient is wanted they are solved once and kept for as long as their parameters stay the same.
        """
        name = adapter_name or self.active_adapters[0]
        theta, config, builder = self.cayley_theta[name], self.cayley_config[name], self._builders[name]
        # A compiled graph cannot ask whether numbers have changed.
        if torch.compiler.is_compiling() or theta.is_meta or (theta.requires_grad and torch.is_grad_enabled()):
            if not torch.compiler.is_compiling():
                self._solved.pop(name, None)
            return _built(_precise(theta), config, builder)
        kept = self._solved.get(name)
        if kept is None or not _same(kept[0], theta):
            with torch.inference_mode(False):  # what is kept may meet a gradient later
                plain = theta.detach().clone()
                kept = plain, _built(_precise(plain), config, builder)
            self._solved[name] = kept
        return kept[1]

    def ansatz(self) -> Ansatz:
        """The circuits' ansatz of the active adapter."""
        config = self.cayley_config[self.active_adapters[0]]
        circuit_of = ANSATZES[config.ansatz].circuit_of
        if circuit_of is None:
            raise CayleyError(f"no circuit applies the blocks of {self.key}: ansatz={config.ansatz} has no rotations")
        return circuit_of(qubits_of(config.dimension), config.brickwork_depth)

    @property
    def executor(self) -> Callable[[str, torch.Tensor], torch.Tensor] | None:
        """What is called with ``(key, x)`` and returns the rotated ``x``, in the place of the exact product.

        It runs the blocks that are active when it is set, and no others, see
        :func:`cayley_adapters.adapters.cayley.model.set_executor`.
        """
        return self._binding.executor if self._binding else None

    @executor.setter
    def executor(self, executor: Callable[[str, torch.Tensor], torch.Tensor] | None) -> None:
        self._binding = self.bound(executor)

    def bound(self, executor: Callable[[str, torch.Tensor], torch.Tensor] | None) -> Binding | None:
        """An executor with the blocks that it is for: those active now.

        Raises:
            CayleyError: several adapters are active, or one is merged.
        """
        if executor is None:
            return None
        if self.merged:
            raise CayleyError(f"the blocks of {self.key} are merged, so nothing can run them: unmerge_adapter() first")
        active = [name for name in self.active_adapters if name in self.cayley_theta]
        return Binding.of(self.key, executor, active, dict(self.cayley_theta.items()))

    def forward(self, x: torch.Tensor, *args: Any, adapter_names: Sequence[str] | None = None, **kwargs: Any) -> Any:
        if adapter_names is not None:
            return self.base_layer(self._mixed(x, adapter_names), *args, **kwargs)
        return self.base_layer(self._after_active(x), *args, **kwargs)

    def _after_active(self, x: torch.Tensor) -> torch.Tensor:
        """The input after the blocks of all active adapters."""
        if self.disable_adapters and self.merged:
            self.unmerge()
        if not self.disable_adapters and not self.merged:
            for name in self.active_adapters:
                if name in self.cayley_theta:
                    x = self._rotated(x, name)
        return x

    def _mixed(self, x: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
        """The input whose first axis has one adapter each; those that this layer lacks leave it as it is."""
        if self._binding or self.merged:
            what = "merged adapters" if self.merged else "an executor, which runs one adapter's blocks"
            raise CayleyError(
                f"{self.key} has {what}: adapter_names= needs plain ones; "
                f"{'unmerge_adapter()' if self.merged else 'set_executor(model, None)'} first"
            )
        if len(names) != len(x):
            raise CayleyError(f"adapter_names has {len(names)} names for a batch of {len(x)}: give one a sample")
        if self.disable_adapters:
            return x
        y = x.clone()
        for name in dict.fromkeys(names):
            if name in self.cayley_theta:
                rows = torch.tensor([index for index, given in enumerate(names) if given == name], device=x.device)
                y = y.index_copy(0, rows, self._rotated(x.index_select(0, rows), name))
        return y

    def _rotated(self, x: torch.Tensor, name: str) -> torch.Tensor:
        if self._binding is not None:
            return self._binding.run(x, name, self.cayley_theta[name])
        y = _turn(self.blocks(name), x)
        return constrain_signs(x, y.abs()) if self.cayley_config[name].readout == "sign_constrained" else y

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Multiply the blocks into the weight.

        The merged adapters act in the order given, after those that an earlier call merged.

        Raises:
            CayleyError: the readout is not linear, so no weight does the same; the weight is quantised or stored
                nowhere; an executor runs the blocks; or another adapter lies between them and the weight.
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
        if self._binding:
            raise CayleyError(
                f"an executor runs the blocks of {self.key}; a merged weight would go round it: "
                "set_executor(model, None) first"
            )
        inner = self.base_layer
        if isinstance(inner, BaseTunerLayer) and not inner.merged:
            raise CayleyError(
                f"{self.key} has another adapter inside, which acts after these blocks; merge that one first"
            )
        weight = MeetingWeight(self.get_base_layer(), self.key)
        merged = _precise(weight.rows if self._plain is None else self._plain)
        # The last to act comes next to W: W Q₂ Q₁. So what was merged before comes off, and on again.
        for name in reversed(before) if self._plain is None else ():
            merged = _turn(self.blocks(name), merged)
        plain, after = merged if before else weight.rows, [*reversed(added), *before]
        for name in after:
            merged = _turn(self.blocks(name).mT, merged)
        if safe_merge and not torch.isfinite(merged).all():
            raise ValueError(f"NaNs detected in the merged weights. The adapter {', '.join(added)} seems to be broken")
        weight.write(merged)
        if self._plain is None and any(map(self._cannot_be_turned_back, added)):
            self._plain = plain
        self.merged_adapters = after

    def _cannot_be_turned_back(self, name: str) -> bool:
        config = self.cayley_config[name]
        return bool(self.in_features % config.dimension) or ANSATZES[config.ansatz].circuit_of is None

    def unmerge(self) -> None:
        """Undo :meth:`merge`, up to rounding."""
        if self._plain is not None:
            weight = MeetingWeight(self.get_base_layer(), self.key)
            weight.write(self._plain.to(weight.parameter.device))
            self._plain, self.merged_adapters = None, []
        while self.merged_adapters:
            weight = MeetingWeight(self.get_base_layer(), self.key)
            weight.write(_turn(self.blocks(self.merged_adapters.pop()), weight.rows))

    def __repr__(self) -> str:
        return "cayley." + super().__repr__()


def _same(kept: torch.Tensor, theta: torch.Tensor) -> bool:
    return kept.dtype == theta.dtype and kept.device == theta.device and kept.equal(theta)
