"""What enters and leaves the projections of one decoder layer, without holding more than that layer's statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch
from torch import nn

from cayley_adapters.models.layerwise import LayerCall, output_logits, run_layer

__all__ = ["observe", "second_moments", "text_loss"]

COLUMNS = 192
"""Of a Gram matrix, computed at once: fewer would make products too small to be fast."""


def observe(
    layer: Any,
    modules: Mapping[str, nn.Linear],
    batches: Sequence[torch.Tensor],
    call: LayerCall,
    of_inputs: bool = False,
) -> tuple[dict[str, torch.Tensor], Callable[[], list[torch.Tensor]]]:
    """Run a layer and watch the modules that are to be compressed.

    Args:
        layer: a decoder layer.
        modules: name → module of the layer.
        batches: hidden states that enter the layer.
        call: what else it is called with.
        of_inputs: whether the Gram matrices are of inputs wherever there are fewer outputs, too.

    Returns:
        The Gram matrix that a method's ``fit`` wants of each module, and a function that gives the hidden states
        after the layer once its modules have been replaced.
    """
    grams: dict[str, torch.Tensor] = {}
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # holds each input itself: a freed one's id would be used again
    through: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(name: str) -> Callable[[nn.Linear, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def collect(module: nn.Linear, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if of_inputs or module.in_features < module.out_features:
                gram = next((gram for x, gram in seen if x is args[0]), None)  # gate and up share their input
                if gram is None:
                    gram = _gram(args[0])
                    seen.append((args[0], gram))
            else:
                gram = _gram(output if module.bias is None else output - module.bias)
            grams[name] = grams[name] + gram if name in grams else gram

        return collect

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    handles.append(layer.mlp.register_forward_hook(lambda _, args, output: through.append((args[0], output))))
    states = []
    try:
        for batch in batches:
            seen.clear()
            states.append(call(layer, batch))
    finally:
        for handle in handles:
            handle.remove()

    def advance() -> list[torch.Tensor]:
        # Where attention is as it was only the layer's last step changes; in bfloat16 the difference would lose digits,
        # and some architectures scale or normalise what the MLP adds.
        of_mlp = all(".mlp." in name for name in modules)
        if states and of_mlp and all(state.dtype == torch.float32 for state in states):

            def changed(count: int | None, number: int) -> torch.Tensor:
                x, old = (part[:count] for part in through[number])
                added: torch.Tensor = layer.mlp(x)
                return states[number][:count] - old + added

            again = call(layer, batches[0][:1])
            if torch.allclose(changed(1, 0), again, rtol=1e-4, atol=1e-5 * float(again.abs().max())):
                return [changed(None, number) for number in range(len(batches))]
        return run_layer(layer, batches, call)

    return grams, advance


def second_moments(layer: Any, module: nn.Module, batches: Sequence[torch.Tensor], call: LayerCall) -> torch.Tensor:
    """Sum over tokens of x xᵀ of a module's inputs x, float64; the layer runs no further than to it."""
    total: list[torch.Tensor] = []

    class Caught(Exception):
        pass

    def catch(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        gram = _gram(args[0])
        total[:] = [total[0] + gram] if total else [gram]
        raise Caught

    handle = module.register_forward_pre_hook(catch)
    try:
        for batch in batches:
            with suppress(Caught):
                call(layer, batch)
    finally:
        handle.remove()
    return total[0]


def text_loss(
    model: Any,
    index: int,
    states: torch.Tensor,
    calls: Sequence[LayerCall],
    ids: torch.Tensor,
    lend: Callable[[int], AbstractContextManager[Any]],
) -> float:
    """Mean loss of the next token, nats, from the hidden states that enter layer ``index``: no lower layer runs.

    Args:
        model: a Llama-like causal language model.
        index: of the first layer that runs.
        states: ``(windows, tokens, hidden)``.
        calls: what else each layer is called with.
        ids: ``(windows, tokens)``.
        lend: what a layer is used within.
    """
    for above, layer in enumerate(model.model.layers):
        if above >= index:
            with lend(above):
                states = calls[above](layer, states)
    logits = output_logits(model, states)[:, :-1].float()
    return float(nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))


def _gram(x: torch.Tensor) -> torch.Tensor:
    """Sum over tokens of x xᵀ: ``(…, features)`` → float64 ``(features, features)``.

    It is summed in float64: in float32 its rounding is above any ridge as soon as few directions hold most of the
    power, and then it has negative eigenvalues. Only what lies on and above the diagonal is computed.
    """
    flat = x.flatten(0, -2).double()
    gram = flat.new_empty(flat.shape[1], flat.shape[1])
    for start in range(0, len(gram), COLUMNS):
        rows = flat[:, start : start + COLUMNS].T @ flat[:, start:]
        gram[start : start + COLUMNS, start:] = rows
        gram[start:, start : start + COLUMNS] = rows.T
    return gram
