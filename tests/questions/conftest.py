"""A few questions, put as cloze and as letters, for the tiny model."""

from __future__ import annotations

import pytest

from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.questions.items import Item, prompted


@pytest.fixture(scope="session")
def tokenizer(tiny_folder):
    return load_tokenizer(tiny_folder)


@pytest.fixture(scope="session")
def raw_items() -> list[Item]:
    """Eight questions with two to five choices of different lengths."""
    words = ["red", "a longer answer", "é", "seventeen", "no"]
    return [
        Item(
            id=f"q{number}",
            topic="colours",
            question=f"What is asked by number {number}{'?' * number}",
            choices=tuple(words[: 2 + number % 4]),
            answer=number % 2,
        )
        for number in range(8)
    ]


@pytest.fixture(scope="session", params=["cloze", "letters"])
def items(request, raw_items) -> list[Item]:
    return [prompted(item, request.param) for item in raw_items]
