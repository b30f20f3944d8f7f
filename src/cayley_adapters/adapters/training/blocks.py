"""Blocks trained on a text."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.training.fitting import adapted_shapes, fit_adapter, rate_of_blocks, told_dimension
from cayley_adapters.adapters.training.loop import Recipe
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.corpus import text_windows
from cayley_adapters.models.named import tokenizer_of

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedTokenizerBase

__all__ = ["train"]


def train(
    model: Any,
    text: str | Sequence[str],
    *,
    block_dim: int | str = 4,
    steps: int = 80,
    targets: Sequence[str] = ("v_proj", "o_proj"),
    layers: Sequence[int] | None = None,
    ansatz: str = "full",
    brickwork_depth: int = 1,
    readout: str = "signed",
    learning_rate: float = 0.04,
    batch_windows: int = 1,
    window: int = 256,
    validation_windows: int = 1,
    seed: int = 0,
    tokenizer: PreTrainedTokenizerBase | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> PeftModel:
    """Put Cayley blocks on a model, and train them to predict a text; the model itself stays as it is.

    The text is cut into windows, the last of which are kept to choose the best parameters by, those at the start, which
    change nothing, among them. The loss is next-token cross-entropy; the ``train`` stage adds distillation from the
    uncompressed model, and takes the same steps otherwise.

    Args:
        model: a causal language model of the Llama family, compressed or not, without adapters.
        text: one document, or several.
        block_dim: d, a number from 2 up, or ``input``; as of :class:`cayley_adapters.CayleyConfig`.
        steps: of the optimiser.
        targets: last names of the projections whose inputs are rotated.
        layers: indices of the decoder layers; all if None.
        ansatz: as of :class:`cayley_adapters.CayleyConfig`.
        brickwork_depth: as of the same.
        readout: as of the same.
        learning_rate: the largest step is this, divided by d, which of ``input`` is the largest input.
        batch_windows: windows a step.
        window: tokens of a window.
        validation_windows: windows at the end of the text that are not trained on; with 0 the last parameters are kept.
        seed: of the order of windows.
        tokenizer: of the model; that beside its files if None.
        progress: called with (steps done, steps, note).

    Returns:
        The model with its blocks, a PEFT model, in evaluation mode.

    Raises:
        CayleyError: the text is too short, a projection or a layer is none of the model's, the model has adapters, or
            the loss diverges.

    Example:
        >>> text = "to be or not to be, that is the question " * 20
        >>> adapter = train(load("tiny_random"), text=text, block_dim=4, steps=2, window=32)
        >>> adapter.peft_config["default"].block_dim
        4
    """
    from peft import PeftModel, get_peft_model

    if isinstance(model, PeftModel):
        raise CayleyError("the model has adapters already; give model.unload(), which has none")
    if not hasattr(model, "named_modules"):
        raise CayleyError(
            f"model is a {type(model).__name__}; give the model itself, which compress changes in place and returns "
            "where it is given a text"
        )
    adapted_shapes(model, targets, layers, key="layers")
    windows = text_windows(text, tokenizer or tokenizer_of(model), window)
    tokens = windows.tokens
    if len(tokens) <= validation_windows:
        raise CayleyError(
            f"validation_windows={validation_windows} leaves nothing to train on: the text has {len(tokens)} "
            f"windows of {window} tokens. Lower it or window, or give more text."
        )
    config = CayleyConfig(
        block_dim=block_dim,
        target_modules=list(targets),
        layers_to_transform=None if layers is None else list(layers),
        ansatz=ansatz,
        brickwork_depth=brickwork_depth,
        readout=readout,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what PEFT asks of it
        adapted: PeftModel = get_peft_model(model, config)
    recipe = Recipe(
        steps=steps,
        batch_windows=batch_windows,
        learning_rate=rate_of_blocks(learning_rate, told_dimension(adapted)),
        distillation=0.0,
        seed=seed,
    )
    fit_adapter(adapted, tokens, len(tokens) - validation_windows, recipe, scored=windows.scored, progress=progress)
    return adapted
