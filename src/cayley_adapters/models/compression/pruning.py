"""Width pruning of decoder layers: neurons of the MLP, and key–value groups with the queries that attend to them."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch

from cayley_adapters.models.compression.methods.width import Pruned, keep_inputs, keep_outputs, prune_inputs
from cayley_adapters.models.compression.observation import run_layer, second_moments
from cayley_adapters.models.compression.widths import LayerShape, Widths

__all__ = ["Pruning", "plain_config", "shape_of"]


def shape_of(layer: Any) -> LayerShape:
    """The sizes of a decoder layer of the Llama family."""
    keys, head_dim = layer.self_attn.k_proj, layer.self_attn.head_dim
    groups = keys.out_features // head_dim
    queries = layer.self_attn.q_proj.out_features // head_dim // groups
    return LayerShape(keys.in_features, layer.mlp.down_proj.in_features, groups, queries, head_dim)


def plain_config(model: Any) -> Any:
    """The model's configuration, with the widths of its layers where they are all alike: then others can load it."""
    [shape, *others] = {shape_of(layer) for layer in model.model.layers}
    config = copy.deepcopy(model.config)
    if not others:
        config.update(
            {
                "intermediate_size": shape.neurons,
                "num_key_value_heads": shape.groups,
                "num_attention_heads": shape.groups * shape.queries,
                "head_dim": shape.head_dim,
            }
        )
    return config


class Pruning:
    """Prunes layers to given widths, each with what the pruned layers below it produce.

    Args:
        widths: layer's index → what it keeps.
        ridge: see :func:`.prune_inputs`.
    """

    def __init__(self, widths: Mapping[int, Widths], ridge: float) -> None:
        self._widths, self._ridge = widths, ridge

    def layer(
        self, model: Any, index: int, batches: list[torch.Tensor], kwargs: dict[str, Any], further: bool
    ) -> list[dict[str, Any]]:
        """Prune one layer, and where a ``further`` one comes change ``batches`` to its inputs."""
        layer, widths, records = model.model.layers[index], self._widths[index], []
        shape = shape_of(layer)
        if widths.groups < shape.groups:
            gram = second_moments(layer, layer.self_attn.o_proj, batches, kwargs)
            size = shape.head_dim * shape.queries
            pruned = prune_inputs(
                layer.self_attn.o_proj.weight, gram, shape.groups - widths.groups, self._ridge, group=size, steps=shape.groups
            )
            heads = _members(pruned.kept, shape.head_dim)
            records += _replace(
                model,
                f"model.layers.{index}.self_attn",
                {"q_proj": _members(pruned.kept, size), "k_proj": heads, "v_proj": heads},
                "o_proj",
                pruned,
            )
        if widths.neurons < shape.neurons:
            gram = second_moments(layer, layer.mlp.down_proj, batches, kwargs)
            pruned = prune_inputs(layer.mlp.down_proj.weight, gram, shape.neurons - widths.neurons, self._ridge)
            name = f"model.layers.{index}.mlp"
            records += _replace(model, name, {"gate_proj": pruned.kept, "up_proj": pruned.kept}, "down_proj", pruned)
        if further:
            batches[:] = run_layer(layer, batches, kwargs)
        return records


def _members(groups: torch.Tensor, size: int) -> torch.Tensor:
    """Indices of the features of some groups of ``size`` neighbours."""
    return (groups[:, None] * size + torch.arange(size)).flatten()


def _replace(
    model: Any, parent: str, outer: Mapping[str, torch.Tensor], inner: str, pruned: Pruned
) -> list[dict[str, Any]]:
    """Put smaller projections in place; the error of all is that of the one whose inputs went."""
    module, records = model.get_submodule(parent), []
    error = math.sqrt(pruned.errors[-1])
    smaller = {name: keep_outputs(getattr(module, name), rows) for name, rows in outer.items()}
    smaller[inner] = keep_inputs(getattr(module, inner), pruned.weight)
    for name, new in smaller.items():
        old = getattr(module, name)
        records.append(
            {
                "projection": f"{parent}.{name}",
                "size": new.in_features if name == inner else new.out_features,
                "parameters_before": old.weight.numel(),
                "parameters_after": new.weight.numel(),
                "relative_error": error,
            }
        )
        setattr(module, name, new)
    return records
