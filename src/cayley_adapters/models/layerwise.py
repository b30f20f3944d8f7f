"""A model layer by layer, just as its own forward pass runs it.

Architectures differ in what surrounds their layers: embeddings are scaled, logits are scaled or capped, and each layer
has its own mask and rotary embedding where some attend to a sliding window and others to everything. None of it is
made here. What a layer is called with is caught from a forward pass of the model, and a start in the middle is a
forward pass whose lower layers are passed over. That this is the model is shown by :mod:`.proof`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.models.placement import input_device

__all__ = ["LayerCall", "causal_model", "from_layer", "hidden", "layer_inputs", "output_logits", "run_layer"]


@dataclass(frozen=True)
class LayerCall:
    """What a decoder layer is called with after its hidden states; of one window, and so good for any number of them.

    Attributes:
        args: further arguments by place.
        kwargs: by name: mask, rotary embedding, positions.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, layer: nn.Module, states: torch.Tensor) -> torch.Tensor:
        """The hidden states after the layer, ``(windows, tokens, hidden)``."""
        return hidden(layer(states, *self.args, **self.kwargs))


def hidden(output: Any) -> torch.Tensor:
    """The hidden states in what a decoder layer gives: alone or first in a tuple, depending on the architecture."""
    states: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return states


def run_layer(layer: nn.Module, states: Sequence[torch.Tensor], call: LayerCall) -> list[torch.Tensor]:
    """The hidden states after a layer, batch by batch."""
    return [call(layer, state) for state in states]


def causal_model(model: Any) -> Any:
    """The causal language model within PEFT's wrapper, or without one."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


class _Caught(Exception):
    """Ends a forward pass that has shown what it was made for."""


class _StandIn(nn.Module):
    """Takes the place of a layer: calls of it go to a function; what is read of it, the layer answers.

    The layer is in a tuple, so that it is no part of this module.
    """

    def __init__(self, layer: nn.Module, called: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.replaced, self.called = (layer,), called

    def forward(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.called(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("replaced", "called"):  # not there yet
            raise AttributeError(name)
        return getattr(self.replaced[0], name)


@contextmanager
def _layers(decoder: Any, layers: Sequence[nn.Module]) -> Iterator[None]:
    own = decoder.layers
    decoder.layers = nn.ModuleList(layers)
    try:
        yield
    finally:
        decoder.layers = own


def _layer_calls(model: Any, window: torch.Tensor) -> list[LayerCall]:
    """What each layer is called with for one window ``(1, tokens)``; no layer runs."""
    calls: list[LayerCall] = []
    own = list(model.model.layers)

    def record(*args: Any, **kwargs: Any) -> torch.Tensor:
        states: torch.Tensor = args[0] if args else kwargs.pop("hidden_states")
        calls.append(LayerCall(args[1:], kwargs))
        if len(calls) == len(own):
            raise _Caught
        return states

    with _layers(model.model, [_StandIn(layer, record) for layer in own]), suppress(_Caught):
        model(input_ids=window, use_cache=False)
    return calls


def layer_inputs(
    model: Any, batches: Sequence[np.ndarray], index: int = 0
) -> tuple[list[torch.Tensor], list[LayerCall]]:
    """Hidden states that enter a decoder layer, and what each layer is called with beside them.

    Args:
        model: a causal language model.
        batches: token ids, ``(windows, window)`` each, all windows of one length.
        index: of the layer; no higher one runs.

    Returns:
        Hidden states, ``(windows, window, hidden)`` a batch, and one call a layer of the model.
    """
    caught: list[torch.Tensor] = []
    given = [torch.as_tensor(batch, dtype=torch.long, device=input_device(model)) for batch in batches]

    def catch(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        caught.append(args[0] if args else kwargs["hidden_states"])
        raise _Caught

    handle = model.model.layers[index].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        for ids in given:
            with suppress(_Caught):
                model(input_ids=ids, use_cache=False)
    finally:
        handle.remove()
    return caught, _layer_calls(model, given[0][:1])


@contextmanager
def from_layer(model: Any, first: int) -> Iterator[None]:
    """Let a model start at one of its layers: it is then called with ``inputs_embeds``, that layer's inputs.

    They reach the layer as they are: what the model does to embeddings is done to none. With ``first`` the number of
    layers, they are what the last layer gives. Token ids may be given where ``first`` is 0.
    """
    decoder = causal_model(model).model
    own = list(decoder.layers)
    given: list[torch.Tensor | None] = [None]

    def keep(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given[0] = kwargs.get("inputs_embeds")

    def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return None if given[0] is None else ((given[0], *args[1:]), kwargs)

    def passed(*_: Any, **__: Any) -> Any:
        return given[0]

    handles = [decoder.register_forward_pre_hook(keep, with_kwargs=True)]
    if first == 0:
        handles.append(own[0].register_forward_pre_hook(enter, with_kwargs=True))
    try:
        with _layers(decoder, [_StandIn(layer, passed) for layer in own[:first]] + own[first:]):
            yield
    finally:
        for handle in handles:
            handle.remove()


def output_logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """What the model makes of hidden states after its last layer, ``(windows, tokens, vocabulary)``."""
    with from_layer(model, len(causal_model(model).model.layers)):
        logits: torch.Tensor = model(inputs_embeds=states, use_cache=False).logits
    return logits
