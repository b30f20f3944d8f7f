"""Text that a model goes on with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.named import tokenizer_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

__all__ = ["generate", "next_tokens"]


def generate(
    model: Any,
    prompt: str,
    *,
    new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> str:
    """Let a model go on with a text, its blocks run exactly or, within :func:`cayley_adapters.noisy`, as circuits.

    Args:
        model: a causal language model, with adapters or without.
        prompt: at least one token of text.
        new_tokens: tokens to add, fewer where the model ends the text.
        temperature: 0 takes the most probable token each time.
        seed: of the draws.
        tokenizer: of the model; that beside its files if None.

    Returns:
        What is added, without the prompt.

    Raises:
        CayleyError: the prompt is empty, or no token is asked for.

    Example:
        >>> len(generate(load("tiny_random"), "Gene flow is", new_tokens=3)) > 0
        True
    """
    tokenizer = tokenizer or tokenizer_of(model)
    ids = tokenizer.encode(prompt, add_special_tokens=False)
    if not ids or new_tokens < 1:
        raise CayleyError(f"prompt={prompt!r}, new_tokens={new_tokens}: give at least one word, and one token to add")
    found = next_tokens(model, ids, new_tokens, temperature, seed, pad_token_id=tokenizer.eos_token_id)
    return str(tokenizer.decode(found[len(ids) :], skip_special_tokens=True))


def next_tokens(
    model: Any, ids: Sequence[int], new_tokens: int, temperature: float, seed: int, **options: Any
) -> torch.Tensor:
    """Token ids, and those that a model goes on with, drawn from its whole distribution.

    Args:
        model: a causal language model.
        ids: of the text before.
        new_tokens: at most.
        temperature: 0 takes the most probable token each time.
        seed: of the draws; the state of torch's own generator stays as it was.
        **options: of transformers' ``generate``.
    """
    import torch

    tokens = torch.tensor([list(ids)])
    draw = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        found: torch.Tensor = model.generate(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            max_new_tokens=new_tokens,
            **(draw if temperature else {"do_sample": False}),
            **options,
        )
    return found[0]
