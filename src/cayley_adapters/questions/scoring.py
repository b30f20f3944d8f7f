"""Log-likelihood of the choices given the question, as lm-evaluation-harness measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.questions.items import Item

__all__ = ["answers", "encode_pair", "encode_set", "log_likelihoods"]

Encoded = tuple[list[int], list[list[int]]]


def encode_pair(tokenizer: Any, prompt: str, continuation: str) -> tuple[list[int], list[int]]:
    """Tokens of a prompt, and of what follows it: the whole text is encoded, then split where the prompt's tokens end.

    White space at the prompt's end goes to the continuation, with whose first word it is one token. This is
    ``_encode_pair`` of lm-evaluation-harness 0.4.13.
    """
    kept = prompt.rstrip()
    start = tokenizer.encode(kept)
    return start, tokenizer.encode(prompt + continuation)[len(start) :]


def encode_set(tokenizer: Any, items: Sequence[Item], longest: int | None) -> list[Encoded]:
    """Encode questions for :func:`log_likelihoods`.

    Args:
        tokenizer: the model's.
        items: questions with their prompts.
        longest: tokens that the model can read; None where there is no limit.

    Raises:
        CayleyError: a question is too long for the model.
    """
    encoded = []
    for item in items:
        pairs = [encode_pair(tokenizer, item.prompt, continuation) for continuation in item.continuations]
        needed = max(len(prompt) + len(rest) for prompt, rest in pairs) - 1
        if longest is not None and needed > longest:
            raise CayleyError(
                f"question {item.id!r} has {needed} tokens, and the model reads at most {longest}: shorten it, or "
                "leave it out of the set"
            )
        encoded.append((pairs[0][0], [rest for _, rest in pairs]))
    return encoded


@torch.no_grad()
def log_likelihoods(
    model: Any, encoded: Sequence[Encoded], batch_tokens: int, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Sum of the log-probabilities of each choice's tokens.

    Questions are packed one behind the other into rows of about ``batch_tokens`` tokens: each token sees its own
    question only, and of its choices its own, so that a prompt runs once for all of them and nothing is padded. The
    order follows from the questions alone: the same seed of an executor's shots gives the same numbers.

    Args:
        model: a causal language model of transformers with full attention, with or without adapters and their executor.
        encoded: what :func:`encode_set` returned.
        batch_tokens: tokens at a time; a longer question stands alone.
        progress: called with (questions done, questions).

    Returns:
        ``(questions, most choices)`` float64, nats; not a number beyond a question's last choice.
    """
    found = np.full((len(encoded), max(len(rests) for _, rests in encoded)), np.nan)
    start = 0
    while start < len(encoded):
        end, total = start + 1, _size(encoded[start])
        while end < len(encoded) and total + _size(encoded[end]) <= batch_tokens:
            total, end = total + _size(encoded[end]), end + 1
        row = _pack(encoded[start:end], model.dtype)
        logits = model(
            input_ids=row.tokens[None],
            position_ids=row.positions[None],
            attention_mask=row.mask,
            use_cache=False,
            logits_to_keep=row.read,
        ).logits[0]
        picked = (logits[row.sources, row.targets] - logits.logsumexp(-1)[row.sources]).double()
        sums = torch.zeros(end - start, found.shape[1], dtype=torch.float64)
        sums.index_put_((row.questions, row.choices), picked, accumulate=True)
        for place, (_, rests) in enumerate(encoded[start:end]):
            found[start + place, : len(rests)] = sums[place, : len(rests)].numpy()
        start = end
        if progress:
            progress(end, len(encoded))
    return found


@dataclass(frozen=True)
class _Row:
    """Questions in one row of N tokens, and the K tokens of choices whose probabilities are wanted.

    Attributes:
        tokens, positions: ``(N,)``.
        mask: ``(1, 1, N, N)``, 0 where a token sees another, the lowest number where not.
        read: positions of the row whose logits are read.
        sources: ``(K,)`` indices into ``read``.
        targets, questions, choices: ``(K,)`` what comes there, in which question and choice of it.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    read: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor
    questions: torch.Tensor
    choices: torch.Tensor


def _pack(encoded: Sequence[Encoded], dtype: torch.dtype) -> _Row:
    tokens, positions, owners = list[int](), list[int](), list[int]()
    branches = list[int]()  # −1 is the prompt
    sources, targets, questions, choices = list[int](), list[int](), list[int](), list[int]()
    for question, (prompt, rests) in enumerate(encoded):
        last = len(tokens) + len(prompt) - 1
        parts = [(-1, prompt, 0), *((branch, rest[:-1], len(prompt)) for branch, rest in enumerate(rests))]
        for branch, part, first in parts:
            if branch >= 0:
                sources += [last, *range(len(tokens), len(tokens) + len(part))]
                targets += rests[branch]
                questions += [question] * len(rests[branch])
                choices += [branch] * len(rests[branch])
            tokens += part
            positions += range(first, first + len(part))
            owners += [question] * len(part)
            branches += [branch] * len(part)
    owner, own, place = torch.tensor(owners), torch.tensor(branches), torch.arange(len(tokens))
    seen = (owner[:, None] == owner) & (place[:, None] >= place) & ((own == -1) | (own[:, None] == own))
    mask = torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)
    read, where = torch.tensor(sources).unique(return_inverse=True)
    return _Row(
        torch.tensor(tokens),
        torch.tensor(positions),
        mask[None, None],
        read,
        where,
        *map(torch.tensor, (targets, questions, choices)),
    )


def _size(encoded: Encoded) -> int:
    """Tokens that a question takes in a row."""
    prompt, rests = encoded
    return len(prompt) + sum(len(rest) - 1 for rest in rests)


def answers(log_likelihood: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """The choice that each question is answered with: the likeliest, or the likeliest a character.

    Args:
        log_likelihood: ``(questions, choices)`` nats, not a number where there is no choice.
        lengths: the same shape, characters of each choice, for ``acc_norm``; None for ``acc``.

    Returns:
        ``(questions,)`` indices; of equals the first.
    """
    return np.nanargmax(log_likelihood if lengths is None else log_likelihood / lengths, axis=1)
