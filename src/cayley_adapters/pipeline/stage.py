"""What a stage of the pipeline is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Stage"]


@dataclass(frozen=True)
class Stage:
    """One rule and one subcommand.

    Attributes:
        inputs: name → path pattern; patterns with wildcards that the stage itself lacks stand for all their values.
        outputs: name → path pattern.
        leaves: dotted keys of the configuration that the stage may read.
        wildcards: the axes it runs over, of ``ratio``, ``block``, ``control`` and ``seed``.
        help: one line for ``cayley --help``.
        threads: dotted key of its number of CPU threads, one of ``leaves`` or within one; it has one thread if None.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    leaves: tuple[str, ...]
    wildcards: tuple[str, ...]
    help: str
    threads: str | None = None
