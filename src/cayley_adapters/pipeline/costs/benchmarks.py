"""What benchmarks cost: how much models read and write for a task, and how many models there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cayley_adapters.questions.benchmarks.documents import ARTICLES, LAST_WORDS, SUMS, TITLES, YES_NO

if TYPE_CHECKING:
    from cayley_adapters.settings import Settings

__all__ = ["models_asked", "tokens_of_tasks"]

DOCUMENTS = {
    "encyclopedia_words": (ARTICLES, 115, 0),
    "encyclopedia_last_word": (LAST_WORDS, 90, 0),
    "encyclopedia_yes_no": (YES_NO, 120, 0),
    "encyclopedia_titles": (TITLES, 120, 0),
    "sums_of_two": (SUMS, 26, 3),
    "wikitext": (62, 4600, 0),
    "lambada_openai": (5153, 85, 0),
    "boolq": (3270, 140, 0),
    "hellaswag": (10_042, 400, 0),
    "mmlu": (14_042, 100, 0),
    "triviaqa": (17_944, 25, 24),
    "gsm8k": (1319, 60, 200),
}
"""Task → its documents, tokens that are read for each, all its choices together, and tokens that are written."""

OTHERS = (1000, 400, 0)
"""The same of a task that nothing is known of."""

SHOWN = 60
"""Tokens of an example in a prompt."""


def tokens_of_tasks(settings: Settings) -> tuple[float, float]:
    """Tokens that one model reads, and those that it writes one by one, for all tasks."""
    options, read, written = settings.benchmarks, 0.0, 0.0
    for task in options.tasks:
        documents, tokens, new = DOCUMENTS.get(task, OTHERS)
        documents = min(documents, options.limit or documents)
        read += documents * (tokens + SHOWN * (options.num_fewshot or 0))
        written += documents * new
    return read, written


def models_asked(settings: Settings) -> tuple[int, int]:
    """How many models answer without noise, and how many with."""
    options, sweep = settings.benchmarks, settings.sweep
    ratios = options.compression_ratio or sweep.compression_ratio
    blocks = max(len(options.block_dim), 1)
    noisy = sum(ratio > 0 or settings.evaluate.uncompressed_noise or ratios == (0.0,) for ratio in ratios)
    compressed = sum(ratio > 0 for ratio in ratios)
    lora = ("lora" in settings.control.methods) * (compressed or 1)
    exact = 1 + compressed + blocks * (len(ratios) + lora)
    return exact, noisy * blocks * len(options.noise_scale) * len(options.shots) * len(options.readout)
