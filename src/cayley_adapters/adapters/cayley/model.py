"""The PEFT tuner that puts Cayley layers into a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from cayley_adapters.adapters.cayley.layer import CayleyLayer, blocks_of
from cayley_adapters.core.errors import CayleyError

__all__ = ["CayleyModel", "adapted_layers", "set_executor", "trained_blocks"]


class CayleyModel(BaseTuner):
    """Cayley adapters on a base model; made by :func:`peft.get_peft_model`, not by hand."""

    prefix = "cayley_"
    tuner_layer_cls = CayleyLayer
    target_module_mapping: dict[str, list[str]] = {}  # noqa: RUF012 - read by PEFT as a class attribute

    def _create_and_replace(
        self,
        peft_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        parameter_name: str | None = None,
        **_: Any,
    ) -> None:
        if isinstance(target, CayleyLayer):
            target.update_layer(adapter_name, peft_config)
            return
        if not hasattr(target, "in_features"):
            raise CayleyError(
                f"{current_key} is a {type(target).__name__}, not a linear projection; change target_modules"
            )
        layer = CayleyLayer(target, adapter_name, peft_config, current_key)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)  # a further adapter is not trained unless it is made active
        self._replace_module(parent, target_name, layer, target)

    def _replace_module(self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module) -> None:
        # PEFT's own version moves the new module to the device of `child.weight`, which a factored layer would have to
        # multiply out; ours is made on the right device at once.
        setattr(parent, child_name, new_module)


def adapted_layers(model: nn.Module) -> dict[str, CayleyLayer]:
    """Map each adapted projection's name to its layer, in the model's order."""
    return {module.key: module for module in model.modules() if isinstance(module, CayleyLayer)}


def trained_blocks(model: nn.Module) -> dict[str, torch.Tensor]:
    """Map each adapted projection's name to the blocks ``(B, d, d)`` of its only adapter, in float64 on the CPU."""
    return {
        name: blocks_of(layer.cayley_theta["default"].detach().cpu().double(), layer.cayley_config["default"])
        for name, layer in adapted_layers(model).items()
    }


def set_executor(model: nn.Module, executor: Callable[[str, torch.Tensor], torch.Tensor] | None) -> None:
    """Choose what runs the blocks of an adapted model; None goes back to the exact product.

    Example:
        >>> import peft, torch
        >>> config = CayleyConfig(block_dim=2, target_modules=["0"])
        >>> model = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(4, 4)), config)
        >>> set_executor(model, lambda key, x: torch.zeros_like(x))
        >>> bool((model(torch.ones(1, 4)) == model.base_model.model[0].bias).all())
        True
    """
    for layer in adapted_layers(model).values():
        layer.executor = executor
