"""Proof that a model, run layer by layer as this library runs it, is the model.

Compression is calibrated on hidden states that pass from layer to layer, training and evaluation start at the first
adapted layer. Both rest on what architectures of the Llama family share. Whether a given model does, is found out on a
few tokens of its own text, against one forward pass of the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.observation import observe
from cayley_adapters.models.layerwise import LayerCall, from_layer, hidden, layer_inputs, output_logits
from cayley_adapters.models.placement import input_device

__all__ = ["PROOF_TOKENS", "prove_layers"]

PROOF_TOKENS = 64
"""Of each of two windows: enough for masks and rotary embeddings to matter, little enough for large models."""

LARGEST = {torch.float32: 1e-3, torch.bfloat16: 5e-2}
"""Relative difference that rounding may make: arithmetic is the same, but windows are grouped otherwise."""


@torch.no_grad()
def prove_layers(model: Any, tokens: np.ndarray) -> float:
    """Compare a model run layer by layer, from the middle, and with a changed MLP, with its own forward pass.

    Args:
        model: a causal language model with all its weights; the same afterwards.
        tokens: ``(windows, window)`` token ids of its text; two windows are used, and not all of their tokens.

    Returns:
        The largest relative difference ‖a − b‖ / ‖b‖.

    Raises:
        CayleyError: the model cannot be run so, or gives something else; the first place is named.
    """
    kind = type(model).__name__
    ids = np.asarray(tokens[:2, :PROOF_TOKENS])
    if len(ids) == 1:
        ids = np.concatenate([ids, ids[:, ::-1]])
    differences = []
    try:
        for place, found, expected in _compared(model, ids):
            difference = _difference(found, expected)
            # NaN is not small either.
            if not difference <= LARGEST.get(expected.dtype, LARGEST[torch.float32]):
                raise CayleyError(
                    f"{kind} computes otherwise than models of the Llama family, and is not supported: {place}, it "
                    f"differs from its own forward pass by {difference:.2g} (relative); use a model of another "
                    "architecture (Llama, Mistral, Qwen, Gemma, Granite, OLMo and the like)"
                )
            differences.append(difference)
    except CayleyError:
        raise
    except Exception as error:  # whatever the code of an architecture raises that is built otherwise
        raise CayleyError(
            f"{kind} cannot be run layer by layer, and is not supported ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}); use a model of another architecture (Llama, Mistral, Qwen, Gemma, "
            "Granite, OLMo and the like)"
        ) from error
    return max(differences)


def _compared(model: Any, ids: np.ndarray) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """Where, what this library computes, and what the model does."""
    layers = list(model.model.layers)
    batches = [ids[:1], ids]
    entered, logits = _forward(model, ids)
    states, calls = layer_inputs(model, batches)
    for index, (layer, call) in enumerate(zip(layers, calls, strict=True)):
        place = "in the embeddings" if index == 0 else f"after layer {index - 1} is run alone"
        yield place, states[1], entered[index]
        if index == len(layers) // 2:
            yield from _changed(model, index, states, call, ids)
        states = [call(layer, state) for state in states]
    yield f"after layer {len(layers) - 1} is run alone", states[1], entered[-1]
    yield "in its norm and head", output_logits(model, entered[-1]), logits
    for first in sorted({0, len(layers) // 2, len(layers) - 1}):
        with from_layer(model, first):
            started = model(inputs_embeds=entered[first], use_cache=False).logits
        yield f"when it starts at layer {first}", started, logits


def _forward(model: Any, ids: np.ndarray) -> tuple[list[torch.Tensor], torch.Tensor]:
    """What enters each layer and what the last one gives, and the logits, of a forward pass of the model."""
    entered: list[torch.Tensor] = []
    layers = list(model.model.layers)
    handles = [
        layer.register_forward_pre_hook(
            lambda _, args, kwargs: entered.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        )
        for layer in layers
    ]
    handles.append(layers[-1].register_forward_hook(lambda _, __, output: entered.append(hidden(output))))
    try:
        given = torch.as_tensor(ids, dtype=torch.long, device=input_device(model))
        logits = model(input_ids=given, use_cache=False).logits
    finally:
        for handle in handles:
            handle.remove()
    return entered, logits


def _changed(
    model: Any, index: int, states: list[torch.Tensor], call: LayerCall, ids: np.ndarray
) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """What a layer gives once its MLP is changed: the next layer is calibrated on it."""
    layer = model.model.layers[index]
    name, last = [(name, module) for name, module in layer.mlp.named_modules() if isinstance(module, nn.Linear)][-1]
    _, advance = observe(layer, {f".mlp.{name}": last}, states, call)
    with _halved(last):
        found = advance()[1]
        entered, _ = _forward(model, ids)
    yield f"after layer {index} with another MLP", found, entered[index + 1]


@contextmanager
def _halved(linear: nn.Linear) -> Iterator[None]:
    """Half the weights for a while; the weights themselves are mapped from disk and not written to."""
    own = linear.weight
    linear.weight = nn.Parameter(own.detach() / 2, requires_grad=False)
    try:
        yield
    finally:
        linear.weight = own


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    found, expected = found.double(), expected.double()
    if found.shape != expected.shape:
        return float("inf")
    size = float(expected.norm())
    return float((found - expected).norm()) / size if size > 0 else float(found.norm())
