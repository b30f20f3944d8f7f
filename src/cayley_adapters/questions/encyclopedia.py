"""The embedded set: which title of the encyclopedia fits a description, of articles that no training text holds."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from cayley_adapters.models.wheels import ENCYCLOPEDIA
from cayley_adapters.questions.items import Item, QuestionSet

__all__ = ["CALIBRATED_ON", "encyclopedia_questions", "names"]

CALIBRATED_ON = 280
"""Articles at the start of the calibration part that questions leave to compression; the default run reads 239."""

FEWEST_WORDS = 3
STEM = 5
NO_TOPIC = "Uncategorized"
WRONG_CHOICES = 3
SMALL_WORDS = frozenset(("the", "and", "for", "with", "from", "that", "von", "van"))


def encyclopedia_questions(parts: Mapping[str, Sequence[Mapping[str, str]]]) -> QuestionSet:
    """Ask for the title of every held-out article that its short description tells apart.

    Held out is the test part, and of the calibration part, on which nothing is trained, what compression does not read.
    Left out are articles without a topic, descriptions of fewer than three words, those that two articles share, and
    those with half or more of the title's words. Wrong choices are three titles of the same topic, held out as well,
    with descriptions of their own and not named in the question. A hash chooses them and the order of the choices, so
    that every machine makes the same set.

    Args:
        parts: articles by part, see :func:`cayley_adapters.models.texts.encyclopedia`.
    """
    held_out = [*parts["test"], *parts["calibration"][CALIBRATED_ON:]]
    held_out.sort(key=lambda article: _rank(article["title"]))
    shared = Counter(_plain(article["description"]) for article in held_out)
    candidates = [
        article
        for article in held_out
        if article["topic"] != NO_TOPIC
        and len(article["description"].split()) >= FEWEST_WORDS
        and shared[_plain(article["description"])] == 1
    ]
    items = []
    for article in candidates:
        title, description, topic = article["title"], article["description"], article["topic"]
        if names(description, title):
            continue
        others = [
            other["title"]
            for other in candidates
            if other["topic"] == topic and other["title"] != title and not names(description, other["title"])
        ]
        wrong = sorted(others, key=lambda other: _rank(f"{title}|{other}"))[:WRONG_CHOICES]
        if len(wrong) < WRONG_CHOICES:
            continue
        choices = sorted([title, *wrong], key=lambda choice: _rank(f"order|{title}|{choice}"))
        items.append(
            Item(
                id=title,
                topic=topic,
                question=f"Which title fits the description “{description}”?",
                choices=tuple(choices),
                answer=choices.index(title),
            )
        )
    return QuestionSet(
        "encyclopedia-titles",
        f"titles and descriptions of {ENCYCLOPEDIA.requirement}",
        ENCYCLOPEDIA.license,
        tuple(items),
    )


def names(description: str, title: str) -> bool:
    """Whether a description holds half or more of a title's words, or words that begin like them."""
    words = [word for word in _plain(title).split() if len(word) > 2 and word not in SMALL_WORDS]
    stems = {word[:STEM] for word in _plain(description).split()}
    return 2 * sum(word[:STEM] in stems for word in words) >= max(len(words), 1)


def _plain(text: str) -> str:
    """Lower case, without accents and punctuation."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(letter for letter in letters if not unicodedata.combining(letter))))


def _rank(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
