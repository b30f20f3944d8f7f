"""Things of one kind by name: each is one object that carries all that others ask of it.

A registry is a plain table, so that whoever reads it imports nothing heavy: what takes torch, Qiskit or Matplotlib to
build is named as ``"cayley_adapters.module:name"`` and imported by :func:`load` when it is first used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["Entry", "Registry", "load"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of every registered thing.

    Attributes:
        name: as it is typed, such as ``whitened_svd``.
        title: as it stands in a table or a legend.
        sentence: what it is, for captions, methods and the configuration's reference.
    """

    name: str
    title: str
    sentence: str


E = TypeVar("E", bound=Entry)


class Registry(Mapping[str, E], Generic[E]):
    """The things of one kind, in the order in which they are listed.

    Args:
        kind: what they are, for messages: ``"compression method"``.
        entries: one object each.

    Example:
        >>> colours = Registry("colour", [Entry(name="red", title="Red", sentence="The first of them.")])
        >>> colours["red"].title
        'Red'
        >>> list(colours)
        ['red']
    """

    def __init__(self, kind: str, entries: Iterable[E]) -> None:
        self.kind = kind
        self._entries = {entry.name: entry for entry in entries}

    def __getitem__(self, name: str) -> E:
        """The thing of a name.

        Raises:
            CayleyError: there is none; the message has the nearest.
        """
        if name not in self._entries:
            raise CayleyError(f"{self.kind} {name!r} is unknown{nearest(name, self)}; known: {', '.join(self)}")
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def load(reference: str) -> Any:
    """What ``"cayley_adapters.module:name"`` names, imported now.

    Example:
        >>> load("cayley_adapters.core.registry:Entry").__name__
        'Entry'
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
