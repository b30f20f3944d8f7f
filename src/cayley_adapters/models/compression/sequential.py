"""Compression layer after layer, each calibrated with what the already compressed layers below it produce.

Only one layer's statistics are held at a time, beside the hidden states of the calibration windows; and only one
layer's weights, where the model is lent them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.registry import load
from cayley_adapters.models.base import projections
from cayley_adapters.models.compression.allocation import ALLOCATIONS, SPREAD, shares_by_sensitivity
from cayley_adapters.models.compression.methods import METHODS, Method, method_named
from cayley_adapters.models.compression.observation import observe, text_loss
from cayley_adapters.models.compression.pruning import prune_layer
from cayley_adapters.models.compression.width_choice import Survey, choose_widths
from cayley_adapters.models.compression.widths import PROBED
from cayley_adapters.models.layerwise import LayerCall, layer_inputs, run_layer

__all__ = ["Lender", "compress", "sizes_for"]

Lender = Callable[[int], AbstractContextManager[Any]]
"""Gives a decoder layer, by its index, its weights for a while; within it the same layer may be lent again."""


def sizes_for(method: Method, modules: dict[str, nn.Linear], ratio: float) -> dict[str, int]:
    """The size of each projection when the same share of all is removed.

    Raises:
        CayleyError: the method cannot store a projection in so few parameters.
    """
    sizes = {}
    for name, module in modules.items():
        try:
            sizes[name] = method.size(module.in_features, module.out_features, (1 - ratio) * module.weight.numel())
        except CayleyError as error:
            raise CayleyError(f"{name}: compression ratio {ratio}: {error}") from None
    return sizes


@torch.no_grad()
def compress(
    model: Any,
    ratio: float,
    *,
    tokens: np.ndarray | None = None,
    method: str = "whitened_svd",
    allocation: str = "uniform",
    shape: str | None = None,
    targets: Sequence[str] = ("gate_proj", "up_proj", "down_proj"),
    layers: Sequence[int] | None = None,
    ridge: float = 1e-4,
    batch_windows: int = 8,
    progress: Callable[[int, int], None] | None = None,
    lend: Lender = nullcontext,
    done: Callable[[int], None] | None = None,
) -> list[dict[str, Any]]:
    """Replace the ``targets`` of decoder layers by smaller modules, in place.

    Args:
        model: a Llama-like causal language model (``model.model.layers``).
        ratio: share of the targets' parameters to remove, 0 ≤ ratio < 1. At 0 the model is left as it is.
        tokens: ``(windows, window)`` calibration token ids; for methods that are calibrated.
        method: one of :data:`cayley_adapters.models.compression.methods.METHODS`.
        allocation: ``uniform`` removes the same share of every projection, ``sensitivity`` more where the measured loss
            on the calibration text suffers less (where the method is ``shared``).
        shape: for width pruning, one of :data:`cayley_adapters.models.compression.widths.SHAPES`, in place of widths
            that the ratio gives.
        targets: last names of the projections.
        layers: indices of the decoder layers; all if None.
        ridge: white noise in the calibration data, relative to the inputs' mean power along a projection's weights.
        batch_windows: windows that go through a layer at once.
        progress: called with (layers done, layers).
        lend: what a layer is used within, for models whose layers have weights only then.
        done: called within it with the index of each layer that will change no more, from below.

    Returns:
        One record a projection: ``projection, size, parameters_before, parameters_after, relative_error``; the error is
        ‖(W − W′)X‖/‖WX‖ with X the calibration inputs, or white ones, ‖W − W′‖/‖W‖, for methods without calibration.

    Raises:
        CayleyError: unknown method, allocation, target or layer, impossible ratio, no calibration text or one of
            another shape, a target that is no linear map, non-finite weights.

    Example:
        >>> from transformers import LlamaConfig, LlamaForCausalLM
        >>> sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        >>> model = LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
        >>> records = compress(model, 0.5, method="svd", targets=("up_proj",))
        >>> [(record["parameters_before"], record["parameters_after"]) for record in records]
        [(512, 252)]
    """
    if not 0 <= ratio < 1:
        raise CayleyError(f"compression ratio {ratio} is not allowed; use at least 0 and below 1")
    if allocation not in ALLOCATIONS:
        raise CayleyError(f"allocation {allocation!r} is unknown{nearest(allocation, ALLOCATIONS)}")
    modules = projections(model, tuple(targets))
    for name, module in modules.items():
        if not isinstance(module, nn.Linear):
            raise CayleyError(f"{name} is a {type(module).__name__}, not a linear projection; change the targets")
    decoder = model.model.layers
    if missing := [index for index in layers or () if index >= len(decoder)]:
        raise CayleyError(f"compress.layers={missing}: the model has {len(decoder)} layers, 0 to {len(decoder) - 1}")
    by_layer = {
        index: {name: module for name, module in modules.items() if name.startswith(f"model.layers.{index}.")}
        for index in (range(len(decoder)) if layers is None else sorted(layers))
    }
    modules = {name: module for mine in by_layer.values() for name, module in mine.items()}
    if ratio == 0:
        return []
    how, entry = method_named(method), METHODS[method]
    calibrated = entry.calibrated
    if shape is not None and not entry.structured:
        raise CayleyError(f"compress.shape={shape}: needs method=width, not {method}")
    sizes = {} if entry.structured else sizes_for(how, modules, ratio)
    given = np.empty((0, 0)) if tokens is None else np.asarray(tokens)
    if calibrated and len(given) == 0:
        raise CayleyError(f"method {method} is calibrated: give it tokens (windows, window)")
    if calibrated and given.ndim != 2:
        raise CayleyError(f"calibration tokens of shape {given.shape} are not allowed; give (windows, window)")
    if allocation == "sensitivity" and not entry.shared:
        able = " or ".join(entry.name for entry in METHODS.values() if entry.shared)
        raise CayleyError(f"allocation=sensitivity is possible with method={able}, not {method}")
    widths = {}
    if entry.structured:
        survey = Survey(model, given, ridge, batch_windows, lend, progress)
        widths = choose_widths(survey, by_layer, targets, ratio, allocation, shape)
    elif allocation == "sensitivity":
        sizes = _sensitive_sizes(
            model, how, load(str(entry.spectrum)), by_layer, sizes, given, ridge, batch_windows, progress, lend
        )
    del modules  # a replaced projection is to be forgotten
    batches: list[torch.Tensor] = []
    calls = [LayerCall((), {})] * len(decoder)
    if calibrated:
        batches, calls = layer_inputs(model, np.array_split(given, -(-len(given) // batch_windows)))
    records, last = [], max(by_layer)
    for index in range(last + 1):
        with lend(index):
            mine = by_layer.pop(index, {})
            if not mine:
                batches = run_layer(decoder[index], batches, calls[index])
            elif widths:
                prefix = f"model.layers.{index}."
                names = [name.removeprefix(prefix) for name in mine]
                mine.clear()  # it holds the weights that are replaced
                pruned = prune_layer(decoder[index], names, widths[index], ridge, batches, calls[index], index < last)
                records += [{"projection": prefix + name} | pruned[name] for name in names]
            else:
                records += _compress_layer(model, index, mine, how, sizes, ridge, batches, calls[index], index < last)
            if done:
                done(index)
        if progress:
            progress(index + 1, last + 1)
    return records


def _compress_layer(
    model: Any,
    index: int,
    modules: dict[str, nn.Linear],
    how: Method,
    sizes: dict[str, int],
    ridge: float,
    batches: list[torch.Tensor],
    call: LayerCall,
    further: bool,
) -> list[dict[str, Any]]:
    """Replace the projections of one layer, and where a ``further`` one comes change ``batches`` to its inputs."""
    records = []
    grams, advance = observe(model.model.layers[index], modules, batches, call, how.of_inputs)
    for name in list(modules):
        module = modules[name]
        smaller, error = how.fit(module, grams.get(name), sizes[name], ridge)
        # Factors are found in float64 and kept as the model keeps its weights.
        smaller = smaller.to(module.weight.dtype)
        model.set_submodule(name, smaller.requires_grad_(False).eval())
        records.append(
            {
                "projection": name,
                "size": sizes[name],
                "parameters_before": module.weight.numel(),
                "parameters_after": how.parameters(module.in_features, module.out_features, sizes[name]),
                "relative_error": error,
            }
        )
    if further:
        batches[:] = advance()
    modules.clear()  # the last that hold the weights that were replaced
    return records


def _sensitive_sizes(
    model: Any,
    how: Method,
    spectrum: Callable[[torch.Tensor, torch.Tensor], np.ndarray],
    by_layer: dict[int, dict[str, nn.Linear]],
    sizes: dict[str, int],
    tokens: np.ndarray,
    ridge: float,
    batch_windows: int,
    progress: Callable[[int, int], None] | None,
    lend: Lender,
) -> dict[str, int]:
    """Ranks by measured loss: each projection is truncated alone, and the loss of the calibration text compared.

    The loss is measured on a few windows, from the layer on: what is below does not change.
    """
    batches, calls = layer_inputs(model, np.array_split(tokens, -(-len(tokens) // batch_windows)))
    probe = torch.as_tensor(tokens[: min(PROBED, len(batches[0]))], dtype=torch.long)
    layers = list(model.model.layers)

    def loss(index: int, states: torch.Tensor) -> float:
        return text_loss(model, index, states, calls, probe, lend)

    base, spectra, costs = loss(0, batches[0][: len(probe)]), {}, {}
    for index in range(max(by_layer) + 1):
        with lend(index):
            mine = by_layer.get(index, {})
            grams, advance = observe(layers[index], mine, batches, calls[index], how.of_inputs)
            for name, module in mine.items():
                spectra[name] = spectrum(module.weight, grams[name])
                smaller, _ = how.fit(module, grams[name], sizes[name], ridge)
                model.set_submodule(name, smaller.to(module.weight.dtype).eval())
                lost = max(loss(index, batches[0][: len(probe)]) - base, 1e-6)  # noise may make it negative
                model.set_submodule(name, module)
                costs[name] = lost / max(float(spectra[name][sizes[name] :].sum()), 1e-30)
            batches = advance()
        if progress:
            progress(index + 1, 2 * (max(by_layer) + 1))
    modules = {name: module for mine in by_layer.values() for name, module in mine.items()}
    shapes = {name: (module.in_features, module.out_features) for name, module in modules.items()}
    bounds: dict[str, tuple[int, int]] = {}
    for name, (inputs, outputs) in shapes.items():
        dense = inputs * outputs
        removed = 1 - how.parameters(inputs, outputs, sizes[name]) / dense
        kept = (max(1 - (1 + SPREAD) * removed, 0.0), 1 - (1 - SPREAD) * removed)
        least = how.parameters(inputs, outputs, 1)
        low, high = (how.size(inputs, outputs, max(share * dense, least)) for share in kept)
        bounds[name] = low, high
    budget = sum(how.parameters(*shapes[name], size) for name, size in sizes.items())
    return shares_by_sensitivity(spectra, costs, shapes, bounds, budget, how.parameters)
