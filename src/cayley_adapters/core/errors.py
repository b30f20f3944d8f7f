"""The one error class that a user's mistake, a missing file or an unreachable service raises."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

__all__ = ["CayleyError", "causes", "nearest"]


class CayleyError(Exception):
    """A mistake that the user can mend: the message says what was given, what is allowed and what to do.

    Example:
        >>> import torch
        >>> try:
        ...     cayley(torch.zeros(2))
        ... except CayleyError as error:
        ...     print(error)
        theta has 2 entries in its last axis; a d×d block has d(d−1)/2: 1, 3, 6, 10, …
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or an empty string."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{match[0]}'?" if match else ""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those behind it, hidden ones (``from None``) too."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
