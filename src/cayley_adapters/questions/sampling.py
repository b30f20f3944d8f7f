"""Answers drawn at a temperature: choices from their log-likelihoods, and free texts from the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["choice_probabilities", "disagreement", "draw_choices", "generate_texts", "single_tokens"]


def choice_probabilities(log_likelihood: np.ndarray, temperature: float) -> np.ndarray:
    """The distribution over choices, softmax of the log-likelihoods over the temperature.

    Args:
        log_likelihood: ``(…, choices)`` nats, not a number where there is no choice.
        temperature: above 0.

    Returns:
        The same shape; 0 where there is no choice.
    """
    scaled = np.where(np.isnan(log_likelihood), -np.inf, log_likelihood) / temperature
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def draw_choices(log_likelihood: np.ndarray, temperature: float, draws: int, seed: Sequence[int]) -> np.ndarray:
    """How often each choice came in ``draws`` draws from :func:`choice_probabilities`; the same seed draws the same."""
    return np.random.default_rng(list(seed)).multinomial(draws, choice_probabilities(log_likelihood, temperature))


def disagreement(right: np.ndarray, count: int) -> np.ndarray:
    """The questions that split the arms most evenly into right and wrong, the earlier first.

    Args:
        right: ``(arms, questions)``.
        count: how many at most; questions on which all arms agree are never among them.
    """
    minority = np.minimum(right.sum(axis=0), (~right).sum(axis=0))
    order = np.argsort(-minority, kind="stable")[:count]
    return order[minority[order] > 0]


def generate_texts(
    model: Any, tokenizer: Any, prompts: Sequence[str], temperature: float, texts: int, new_tokens: int, seed: int
) -> list[list[str]]:
    """Let a model go on from each prompt, sampling from its whole distribution.

    Args:
        model: a causal language model.
        tokenizer: its tokenizer.
        prompts: the prompts, which run together, padded at the left.
        temperature: above 0.
        texts: how many a prompt.
        new_tokens: tokens of each, fewer where the model ends it.
        seed: the same seed gives the same texts.

    Returns:
        For each prompt its texts.
    """
    import torch

    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    encoded = [tokenizer.encode(prompt) for prompt in prompts]
    width = max(map(len, encoded))
    tokens = torch.tensor([[pad] * (width - len(ids)) + ids for ids in encoded])
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in encoded])
    with torch.random.fork_rng(devices=[]), torch.no_grad(), single_tokens():
        torch.manual_seed(seed)
        found = model.generate(
            input_ids=tokens,
            attention_mask=mask,
            do_sample=True,
            temperature=temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=new_tokens,
            num_return_sequences=texts,
            pad_token_id=pad,
        )
    decoded = tokenizer.batch_decode(found[:, width:], skip_special_tokens=True)
    return [decoded[start : start + texts] for start in range(0, len(decoded), texts)]


@contextmanager
def single_tokens() -> Iterator[None]:
    """oneDNN multiplies the rows of a batch one by one: for one token a row, the default is many times as fast."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
