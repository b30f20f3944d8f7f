"""The PEFT tuner that puts Cayley layers into a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTuner, _maybe_include_all_linear_layers
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import nn

from cayley_adapters.adapters.cayley.attention import CayleyAttention
from cayley_adapters.adapters.cayley.base_identity import base_digest, differs
from cayley_adapters.adapters.cayley.layer import CayleyLayer, blocks_of
from cayley_adapters.core.errors import CayleyError

__all__ = ["CayleyModel", "adapted_layers", "set_executor", "trained_blocks"]

ATTENTIONS = (nn.MultiheadAttention, CayleyAttention)
OTHER_BASE = (
    "these blocks were trained on a base model with other weights than this one, so nothing is known of what they do "
    "here; cayley_adapters.adapters.load_adapter refuses them"
)


class CayleyModel(BaseTuner):
    """Cayley adapters on a base model; made by :func:`peft.get_peft_model`, not by hand."""

    prefix = "cayley_"
    tuner_layer_cls = CayleyLayer
    target_module_mapping: dict[str, Any] = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    def inject_adapter(self, model: nn.Module, adapter_name: str, *args: Any, **kwargs: Any) -> None:
        """Put an adapter on all of its projections, or, where one cannot take it, on none."""
        config: Any = self.peft_config[adapter_name]
        before = {id(module) for module in model.modules()}
        holders = {id(module) for module in model.modules() if _holds(module, adapter_name)}
        flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
        digest = base_digest(model, config.modules_to_save)
        if differs(config.base_weights, digest):
            warnings.warn(OTHER_BASE, stacklevel=2)
        try:
            super().inject_adapter(model, adapter_name, *args, **kwargs)
            config.check_names([key for key, layer in adapted_layers(model).items() if _holds(layer, adapter_name)])
        except BaseException:
            for name, module in list(model.named_modules()):
                if isinstance(module, CayleyLayer) and id(module) not in before:
                    parent, _, child = name.rpartition(".")
                    setattr(model.get_submodule(parent), child, module.base_layer)
                elif _holds(module, adapter_name) and id(module) not in holders:
                    module.delete_adapter(adapter_name)
            for parameter, flag in flags:
                parameter.requires_grad = flag
            raise
        config.base_weights = config.base_weights or digest
        own = [layer for layer in adapted_layers(model).values() if adapter_name in layer.cayley_config]
        config.padded = any(layer.in_features % layer.cayley_config[adapter_name].dimension for layer in own)

    def _prepare_adapter_config(self, peft_config: Any, model_config: Any) -> Any:
        if str(peft_config.target_modules).lower() != "all-linear":
            return super()._prepare_adapter_config(peft_config, model_config)
        model = self.model
        found: Any = _maybe_include_all_linear_layers(peft_config, model)
        layers = {name: module for name, module in model.named_modules() if isinstance(module, CayleyLayer)}
        names = found.target_modules | {name for name, layer in layers.items() if type(layer) is CayleyLayer}
        # A factored projection holds linear maps of its own, and an attention one that it never calls.
        outer = {name for name in names if name.rpartition(".")[0] not in names}
        parents = {name: model.get_submodule(name.rpartition(".")[0]) for name in outer}
        found.target_modules = {name for name, parent in parents.items() if not isinstance(parent, ATTENTIONS)}
        return found

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
        config = peft_config.of(current_key)
        if isinstance(target, CayleyLayer):
            target.update_layer(adapter_name, config)
            return
        if isinstance(parent, ATTENTIONS):
            raise CayleyError(
                f"{current_key} is read by its attention, which never calls it: blocks there would do nothing. Target "
                f"{current_key.rpartition('.')[0]} itself, whose inputs are rotated, or leave it out by exclude_modules"
            )
        kind = CayleyAttention if isinstance(target, nn.MultiheadAttention) else CayleyLayer
        layer = kind(target, adapter_name, config, current_key)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)  # a further adapter is not trained unless it is made active
        self._replace_module(parent, target_name, layer, target)

    def _replace_module(self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module) -> None:
        # PEFT's own version moves the new module to the device of `child.weight`, which a factored layer would have to
        # multiply out; ours is made on the right device at once.
        setattr(parent, child_name, new_module)

    def _check_merge_allowed(self) -> None:
        """Refuse to merge into a matrix that something else uses as well, such as a tied embedding."""
        super()._check_merge_allowed()  # type: ignore[no-untyped-call]  # of peft
        users: dict[int, list[str]] = {}
        for name, module in self.model.named_modules(remove_duplicate=False):
            for parameter in module.parameters(recurse=False):
                users.setdefault(id(parameter), []).append(name)
        for name, layer in self.model.named_modules():
            if not isinstance(layer, CayleyLayer) or not any(
                map(layer.cayley_theta.__contains__, layer.active_adapters)
            ):
                continue
            own = f"{name}.base_layer"
            for parameter in layer.get_base_layer().parameters():
                others = [user for user in users[id(parameter)] if user != own and not user.startswith(f"{own}.")]
                if others and parameter.ndim > 1:
                    raise CayleyError(
                        f"{name} shares its matrix with {others[0]}, which a merge would change as well; keep the "
                        "adapter, or untie them first (load the base model with tie_word_embeddings=False)"
                    )

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Batches of several adapters, as PEFT asks for them: ``model(…, adapter_names=[…])``, one name a sample."""
        names = kwargs.get("adapter_names")
        if names is None:
            yield
            return
        beams = kwargs.get("num_beams") or 1
        self._check_adapter_names(names, beams)
        repeated = [name for name in names for _ in range(beams)]
        takers = (CayleyLayer, AuxiliaryTrainingWrapper)

        def add(_: nn.Module, given: Any, known: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            return given, known | {"adapter_names": repeated}

        handles = [
            module.register_forward_pre_hook(add, with_kwargs=True)
            for module in self.modules()
            if isinstance(module, takers)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _check_adapter_names(self, names: Sequence[str], beams: int) -> None:
        if self.training:
            raise CayleyError("adapter_names= is for inference, and the model is in training mode; call model.eval()")
        known = {name for layer in adapted_layers(self.model).values() for name in layer.cayley_theta}
        if unknown := sorted(set(names) - known - {"__base__"}):
            raise CayleyError(
                f"adapter_names has {', '.join(unknown)}, which the model has not; it has {', '.join(sorted(known))}, "
                "and __base__ is none of them"
            )
        if beams > 1 and getattr(getattr(self.model, "config", None), "is_encoder_decoder", False):
            raise CayleyError(
                "adapter_names= with num_beams is not supported by encoder–decoder models; use num_beams=1"
            )


def _holds(module: nn.Module, adapter_name: str) -> bool:
    return isinstance(module, CayleyLayer) and adapter_name in module.cayley_theta


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

    An executor holds blocks of its own, so it belongs to the adapter that is active now and to its parameters as they
    are. With another adapter active, with several, or after the parameters have changed, the model raises an error
    until this is called again; so do merging and batches of several adapters. An executor that asks the layers for
    their blocks at each call says so by an attribute ``follows_parameters = True``, and may be trained through.

    Args:
        model: with Cayley adapters on it.
        executor: called with a projection's name and its input ``(…, B·d)``, returns the rotated input.

    Raises:
        CayleyError: several adapters are active on a layer, or one is merged; no layer has changed then.

    Example:
        >>> import peft, torch
        >>> config = CayleyConfig(block_dim=2, target_modules=["0"])
        >>> model = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(4, 4)), config)
        >>> set_executor(model, lambda key, x: torch.zeros_like(x))
        >>> bool((model(torch.ones(1, 4)) == model.base_model.model[0].bias).all())
        True
    """
    layers = adapted_layers(model).values()
    for layer in layers:
        layer.bound(executor)  # which raises before any has changed
    for layer in layers:
        layer.executor = executor
