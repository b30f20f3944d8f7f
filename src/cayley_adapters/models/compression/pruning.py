"""Width pruning of decoder layers: neurons of the MLP, and key–value groups with the queries that attend to them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods.width import (
    OUTER,
    Removal,
    keep_inputs,
    keep_outputs,
    kept_groups,
    members_of,
    regular_moments,
    removal,
    solved,
)
from cayley_adapters.models.compression.observation import observe, second_moments
from cayley_adapters.models.compression.widths import LayerShape, Widths
from cayley_adapters.models.layerwise import LayerCall, run_layer

__all__ = [
    "plain_config",
    "prune_attention",
    "prune_layer",
    "prune_mlp",
    "removal_of_groups",
    "removal_of_neurons",
    "require_separate_heads",
    "shape_of",
]


def shape_of(layer: Any) -> LayerShape:
    """The sizes of a decoder layer of the Llama family."""
    keys, head_dim = layer.self_attn.k_proj, layer.self_attn.head_dim
    groups = keys.out_features // head_dim
    queries = layer.self_attn.q_proj.out_features // head_dim // groups
    return LayerShape(keys.in_features, layer.mlp.down_proj.in_features, groups, queries, head_dim)


def require_separate_heads(layer: Any) -> None:
    """Refuse attention with parameters that belong to all heads at once: fewer heads would need others.

    Raises:
        CayleyError: see there.
    """
    attention, projections = layer.self_attn, ("q_proj", "k_proj", "v_proj", "o_proj")
    for name, value in attention.named_parameters():
        if name.split(".")[0] not in projections and value.numel() > attention.head_dim:
            raise CayleyError(
                f"compress.method=width: the attention of this model has {name}, which spans all heads, so that none "
                f"can go; leave {', '.join(projections)} out of compress.targets, or use another method"
            )


def plain_config(model: Any) -> Any | None:
    """The model's configuration with the widths of its layers, where they are all alike: then others can load it.

    None where they are not, or where the architecture has no such model: Llama's heads have to divide its hidden size.
    """
    from huggingface_hub.errors import StrictDataclassError

    [shape, *others] = {shape_of(layer) for layer in model.model.layers}
    widths = {
        "intermediate_size": shape.neurons,
        "num_key_value_heads": shape.groups,
        "num_attention_heads": shape.groups * shape.queries,
        "head_dim": shape.head_dim,
    }
    if others:
        return None
    with suppress(StrictDataclassError):
        return type(model.config).from_dict(model.config.to_dict() | widths)
    return None


def prune_layer(
    layer: Any,
    names: Iterable[str],
    widths: Widths,
    ridge: float,
    batches: list[torch.Tensor],
    call: LayerCall,
    further: bool,
) -> dict[str, dict[str, Any]]:
    """Prune a decoder layer in place, and where a ``further`` one comes change ``batches`` to its inputs.

    Args:
        layer: of a Llama-like model.
        names: its projections that may be pruned, as ``mlp.up_proj``.
        widths: what it keeps.
        ridge: see :func:`~cayley_adapters.models.compression.methods.width.regular_moments`.
        batches: hidden states that enter it, ``(windows, tokens, hidden)`` each.
        call: what else it is called with.
        further: whether its outputs are needed.

    Returns:
        Projection, by its name within the layer → what was done to it.
    """
    shape = shape_of(layer)
    records: dict[str, dict[str, Any]] = {}
    if widths.groups < shape.groups:
        gram = second_moments(layer, layer.self_attn.o_proj, batches, call)
        moments = regular_moments(layer.self_attn.o_proj.weight, gram, ridge)
        records |= prune_attention(layer, moments, widths.groups)
    if widths.neurons < shape.neurons:
        grams, advance = observe(layer, {".mlp.down_proj": layer.mlp.down_proj}, batches, call, of_inputs=True)
        moments = regular_moments(layer.mlp.down_proj.weight, grams.pop(".mlp.down_proj"), ridge)
        records |= prune_mlp(layer, moments, widths.neurons)
        if further:
            batches[:] = advance()
    elif further:
        batches[:] = run_layer(layer, batches, call)
    for name in names:
        if name not in records:  # it keeps its width
            linear = layer.get_submodule(name)
            records[name] = _record(name, linear, linear, 0.0)
    return records


def removal_of_groups(layer: Any, moments: torch.Tensor, remove: int) -> Removal:
    """In which order key–value groups go, with their queries; the arguments are those of :func:`prune_attention`."""
    shape = shape_of(layer)
    # One at a time: groups are few, and what the first one leaves decides on the next.
    size = shape.head_dim * shape.queries
    return removal(layer.self_attn.o_proj.weight, moments, remove, group=size, steps=shape.groups)


def removal_of_neurons(layer: Any, moments: torch.Tensor, remove: int) -> Removal:
    """In which order neurons of the MLP go; the arguments are those of :func:`prune_mlp`."""
    return removal(layer.mlp.down_proj.weight, moments, remove)


def prune_attention(layer: Any, moments: torch.Tensor, groups: int) -> dict[str, dict[str, Any]]:
    """Keep some key–value groups with their queries, and solve ``o_proj`` again.

    Args:
        layer: changed in place.
        moments: of what ``o_proj`` reads, see
            :func:`~cayley_adapters.models.compression.methods.width.regular_moments`.
        groups: how many stay.

    Returns:
        See :func:`prune_layer`.
    """
    shape = shape_of(layer)
    gone = removal_of_groups(layer, moments, shape.groups - groups)
    kept = kept_groups(gone.order, shape.groups)
    queries, heads = members_of(kept, shape.head_dim * shape.queries), members_of(kept, shape.head_dim)
    again = solved(layer.self_attn.o_proj.weight, moments, queries)
    outer = {"q_proj": queries, "k_proj": heads, "v_proj": heads}
    return _replace(layer, "self_attn", outer, "o_proj", again, gone.errors[-1])


def prune_mlp(layer: Any, moments: torch.Tensor, neurons: int) -> dict[str, dict[str, Any]]:
    """Keep some neurons of the MLP, and solve ``down_proj`` again, as :func:`prune_attention` does with ``o_proj``."""
    count = layer.mlp.down_proj.in_features
    gone = removal_of_neurons(layer, moments, count - neurons)
    kept = kept_groups(gone.order, count)
    again = solved(layer.mlp.down_proj.weight, moments, kept)
    return _replace(layer, "mlp", {"gate_proj": kept, "up_proj": kept}, "down_proj", again, gone.errors[-1])


def _replace(
    layer: Any, parent: str, outer: Mapping[str, torch.Tensor], inner: str, weight: torch.Tensor, error: float
) -> dict[str, dict[str, Any]]:
    """Put smaller projections in place; the error of all is that of the one whose inputs went."""
    module, records = layer.get_submodule(parent), {}
    smaller = {name: keep_outputs(getattr(module, name), rows) for name, rows in outer.items()}
    smaller[inner] = keep_inputs(getattr(module, inner), weight)
    for name, new in smaller.items():
        old = getattr(module, name)
        records[f"{parent}.{name}"] = _record(name, old, new, math.sqrt(error))
        setattr(module, name, new)
    return records


def _record(name: str, old: nn.Linear, new: nn.Linear, error: float) -> dict[str, Any]:
    """What was done to a projection."""
    return {
        "size": new.out_features if name.rsplit(".", 1)[-1] in OUTER else new.in_features,
        "parameters_before": old.weight.numel(),
        "parameters_after": new.weight.numel(),
        "relative_error": error,
    }
