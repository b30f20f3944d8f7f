"""Hints that can be pasted: a command with the words that were typed, since without them it means another run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

__all__ = ["command", "typed"]

WORDS = "CAYLEY_WORDS"
"""Environment variable that takes the words to the processes in which jobs run."""


def typed(words: Sequence[str]) -> None:
    """Remember the words that chose the configuration, such as ``experiment=ci``."""
    os.environ[WORDS] = shlex.join(words)


def command(name: str, *further: str) -> str:
    """Return a command as it is typed for the run that is being asked for.

    Args:
        name: ``train``, or ``qpu submit``.
        further: Words of its own, which come first.

    Example:
        >>> typed(["experiment=ci", "qpu.text=a few words"])
        >>> command("qpu submit", "--yes")
        "cayley qpu submit --yes experiment=ci 'qpu.text=a few words'"
        >>> typed([])
    """
    return shlex.join(["cayley", *name.split(), *further, *shlex.split(os.environ.get(WORDS, ""))])
