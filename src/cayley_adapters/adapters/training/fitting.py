"""What training of adapters shares, whoever asks for it: the layers that run, attention, and the step of blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import TeacherTargets
from cayley_adapters.adapters.training.frozen import first_adapted_layer, hidden_states
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter
from cayley_adapters.circuits.sizes import WHOLE
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.base import projections

__all__ = ["adapted_shapes", "fit_adapter", "plain_attention", "rate_of_blocks", "told_dimension"]

SHORT_WINDOW = 512
"""Up to so many tokens, plain products on a CPU take half as long for attention and its gradient as a fused kernel."""


def rate_of_blocks(learning_rate: float, block_dim: int) -> float:
    """The step size of blocks of a dimension.

    A block's rotation grows with the number of its parameters that move at once: the same step for every d makes large
    blocks diverge.

    Example:
        >>> rate_of_blocks(0.04, 4)
        0.01
    """
    return learning_rate / block_dim


def told_dimension(model: Any) -> int:
    """What tables call the dimension of a model's blocks, and what their step size is divided by.

    That is their own d; of ``input`` it is the largest input that any of their projections has where nothing is pruned,
    so that models of all compression ratios have the same.

    Args:
        model: with Cayley blocks on it.
    """
    block_dim = model.peft_config["default"].block_dim
    if block_dim != WHOLE:
        return int(block_dim)
    config, layers = model.config, adapted_layers(model)
    heads = config.num_attention_heads
    whole = {
        "o_proj": heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
        "down_proj": config.intermediate_size,
    }
    return int(max(max(layer.in_features, whole.get(key.rpartition(".")[2], 0)) for key, layer in layers.items()))


def adapted_shapes(
    model: Any, targets: Sequence[str], layers: Sequence[int] | None, key: str = "train.layers"
) -> list[tuple[int, int]]:
    """(in, out) of every projection that is to be adapted.

    Args:
        model: a causal language model.
        targets: last names of projections.
        layers: indices of decoder layers; all if None.
        key: what the layers are called, for the message.

    Raises:
        CayleyError: the model lacks a projection or a layer.
    """
    count = len(model.model.layers)
    if missing := [index for index in layers or () if index >= count]:
        raise CayleyError(f"{key}={missing}: the model has {count} layers, 0 to {count - 1}")
    found = projections(model, list(targets))
    wanted = None if layers is None else {str(index) for index in layers}
    return [
        (module.in_features, module.out_features)
        for name, module in found.items()
        if wanted is None or name.split(".")[2] in wanted
    ]


def fit_adapter(
    model: Any,
    tokens: np.ndarray,
    train: int,
    recipe: Recipe,
    *,
    scored: np.ndarray | None = None,
    targets: TeacherTargets | None = None,
    hidden: Path | None = None,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train the adapter that is on a model, and leave its best parameters in it.

    Args:
        model: a PEFT model whose base is frozen.
        tokens: ``(windows, window)`` token ids, training windows first; the others validate.
        train: how many are trained on.
        recipe: how.
        scored: ``(windows, window)`` whether a token is predicted; all are if None.
        targets: the teacher's predictions on all windows; None where nothing is distilled.
        hidden: folder that keeps what enters the first adapted layer, so that the layers below it run once; all layers
            run at every step if None.
        checkpoint: where to keep the state; it stays there until the caller has saved the result.
        progress: called with (steps done, steps, note).

    Returns:
        As :func:`cayley_adapters.adapters.training.loop.train_adapter`.
    """
    first = first_adapted_layer(model) if hidden else 0
    states = hidden_states(model, tokens, first, hidden) if hidden and first else None
    text = TrainingText(tokens, train, targets, first, states, scored)
    plain_attention(model.get_base_model(), tokens)
    return train_adapter(model, text, recipe, checkpoint=checkpoint, progress=progress)


def plain_attention(model: Any, tokens: np.ndarray) -> str:
    """Let a model on a CPU compute attention by plain products where windows are short.

    Returns:
        The implementation that it had.
    """
    before = str(model.config._attn_implementation)
    if tokens.shape[1] <= SHORT_WINDOW and model.device.type == "cpu":
        model.set_attn_implementation("eager")
    return before
