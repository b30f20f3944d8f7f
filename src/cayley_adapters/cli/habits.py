"""Words that are right for Snakemake or Hydra and not here, answered with what to type."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import split_overrides

__all__ = ["refuse_habits"]

_MULTIRUN = ("-m", "--multirun")
_SHOW = ("--cfg", "-c")
_SHOWN = ("job", "hydra", "all")


def refuse_habits(words: Sequence[str]) -> None:
    """Refuse options of Hydra's and of Snakemake's that a command has not.

    Args:
        words: those after ``cayley``.

    Raises:
        CayleyError: the message has the whole command as it is to be typed.

    Example:
        >>> try:
        ...     refuse_habits(["run", "phase_diagram", "--config", "sweep.block_dim=4"])
        ... except CayleyError as error:
        ...     print(error)
        --config is an option of snakemake's; type: cayley run phase_diagram sweep.block_dim=4
    """
    meant: list[str] = []
    reasons: list[str] = []
    rest = list(words)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        option, _, value = word.partition("=")
        if word in _MULTIRUN:
            reasons.append(f"{word} is an option of Hydra's, and several values need none")
        elif option in _SHOW and (value in _SHOWN or (rest and rest[0] in _SHOWN)):
            rest = rest if value else rest[1:]
            reasons.append(f"{option} is an option of Hydra's; cayley config prints the configuration")
            place = next((i for i, one in enumerate(meant) if not one.startswith("-")), len(meant))
            meant = [*meant[:place], "config", *(one for one in meant[place:] if "=" in one)]
        elif word in ("--config", "-C"):
            reasons.append("--config is an option of snakemake's")
        elif option == "overrides":
            reasons.append("overrides= is for snakemake's --config, and here each override is a word of its own")
            meant += split_overrides(value)
        else:
            meant.append(word)
    if reasons:
        raise CayleyError(f"{'; '.join(dict.fromkeys(reasons))}; type: {shlex.join(['cayley', *meant, *rest])}")
