"""How well a model predicts a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.models.corpus import text_windows
from cayley_adapters.models.losses import perplexity_row, token_losses
from cayley_adapters.models.named import tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["perplexity"]


def perplexity(
    model: Any,
    text: str | Sequence[str],
    *,
    window: int = 256,
    batch_windows: int = 3,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> float:
    """Measure a model's perplexity on a text: the exponential of the mean negative log-likelihood a scored token.

    The text is cut into windows, whose first tokens are not scored; a remainder shorter than a window is dropped, as
    in the stages that measure a map. Blocks run exactly, unless within :func:`cayley_adapters.noisy`.

    Args:
        model: a causal language model, with adapters or without.
        text: one document, or several.
        window: tokens of a window.
        batch_windows: windows that are evaluated at once.
        tokenizer: of the model; that beside its files if None.

    Returns:
        At least 1; without unit.

    Raises:
        CayleyError: the text is shorter than a window, or a loss is not finite.

    Example:
        >>> model = load("tiny_random")
        >>> 1 < perplexity(model, "to be or not to be, that is the question " * 4, window=32) < 2000
        True
    """
    windows = text_windows(text, tokenizer or tokenizer_of(model), window)
    losses = token_losses(model, windows.tokens, batch_windows)
    return float(perplexity_row(windows.select(losses), windows)["perplexity"])
