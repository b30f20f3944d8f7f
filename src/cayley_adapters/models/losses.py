"""Perplexity on test windows, with standard errors clustered by document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.placement import input_device
from cayley_adapters.models.windows import Windows

__all__ = ["clustered_error", "perplexity_row", "shot_error", "token_losses"]


@torch.no_grad()
def token_losses(
    model: Any,
    tokens: np.ndarray,
    batch_windows: int,
    progress: Callable[[int, int], None] | None = None,
    states: torch.Tensor | None = None,
) -> np.ndarray:
    """Negative log-likelihood of each token after the first of its window.

    Args:
        model: a causal language model.
        tokens: ``(windows, window)`` token ids.
        batch_windows: windows evaluated at once.
        progress: called with (windows done, windows).
        states: ``(windows, window, hidden)`` to start from instead of the tokens' embeddings, see
            :func:`cayley_adapters.adapters.training.frozen.from_layer`.

    Returns:
        ``(windows, window − 1)`` float64, nats.

    Raises:
        CayleyError: one is not finite.
    """
    losses, device = [], input_device(model)
    for start in range(0, len(tokens), batch_windows):
        batch = torch.as_tensor(tokens[start : start + batch_windows], dtype=torch.long, device=device)
        inputs = {"input_ids": batch}
        if states is not None:
            inputs = {"inputs_embeds": states[start : start + batch_windows].to(device)}
        logits = model(**inputs, use_cache=False).logits[:, :-1].float()
        chosen = logits.gather(-1, batch[:, 1:, None].to(logits.device)).squeeze(-1)
        losses.append((logits.logsumexp(-1) - chosen).double().cpu().numpy())
        if progress:
            progress(min(start + batch_windows, len(tokens)), len(tokens))
    found = np.concatenate(losses)
    if not np.isfinite(found).all():
        raise CayleyError(
            "the model gives losses that are no numbers: its weights or its adapter are damaged, or too large for its "
            "precision; make them again"
        )
    return found


def clustered_error(losses: np.ndarray, documents: np.ndarray) -> float:
    """Standard error of the mean loss when tokens of one document are correlated.

    The ratio estimator's linearisation: with r_g the sum over document g of (loss − mean), N tokens and D documents,
    se² = D/(D − 1) · Σ_g r_g² / N². It is not a number when there is one document.

    Args:
        losses: any shape, nats.
        documents: the same shape, document ids.
    """
    flat = losses.ravel()
    _, owner = np.unique(documents.ravel(), return_inverse=True)
    sums = np.bincount(owner, flat - flat.mean())
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.square(sums).sum()) / flat.size)


def shot_error(first: np.ndarray, second: np.ndarray, documents: np.ndarray, tokens: int) -> float:
    """Standard error of a mean loss over ``tokens`` tokens that comes from shots, from two independent draws of a part.

    With D_g the difference of document g's summed loss between the draws, shots give a document's sum the variance
    D_g²/2, and se² = Σ_g D_g²/2 / (n · tokens) for the n tokens that were run twice.

    Args:
        first, second: the same shape, nats.
        documents: the same shape, document ids.
        tokens: of the whole text.
    """
    difference = (first - second).ravel()
    _, owner = np.unique(documents.ravel(), return_inverse=True)
    sums = np.bincount(owner, difference)
    return float(np.sqrt(np.square(sums).sum() / 2 / (difference.size * tokens)))


def perplexity_row(losses: np.ndarray, windows: Windows) -> dict[str, float | int]:
    """The columns ``tokens, nll, nll_se, perplexity, word_perplexity, bits_per_byte`` of the results tables.

    The last two are lm-evaluation-harness's: exp of the summed loss over the text's words (what white space parts), and
    the summed loss in bits over its bytes of UTF-8; here of the scored tokens. Not a number where there are none.

    Args:
        losses: ``(tokens,)`` of the scored tokens, nats.
        windows: the text that they are of.
    """
    mean, total = float(losses.mean()), float(losses.sum(dtype=np.float64))
    words, size = windows.scored_words, windows.scored_bytes
    with np.errstate(over="ignore"):
        return {
            "tokens": losses.size,
            "nll": mean,
            "nll_se": clustered_error(losses, windows.clusters),
            "perplexity": float(np.exp(mean)),
            "word_perplexity": float(np.exp(total / words)) if words else float("nan"),
            "bits_per_byte": total / (size * np.log(2)) if size else float("nan"),
        }
