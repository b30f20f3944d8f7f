"""Things of one kind by name: each is one object that carries all that others ask of it.

A registry is a plain table, so that whoever reads it imports nothing heavy: what takes torch, Qiskit or Matplotlib to
build is named as ``"cayley_adapters.module:name"`` and imported by :func:`load` when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, TypeVar

from cayley_adapters.core.errors import CayleyError, nearest

__all__ = ["Entry", "Look", "Registry", "choices", "load"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is known of every registered thing.

    Attributes:
        name: as it is typed, such as ``whitened_svd``.
        title: as it stands in a table or a legend.
        sentence: what it is, as part of a sentence of the report's methods and of the configuration's reference;
            ``{key}`` in it cites one of ``literature``.
        literature: key → (what is cited, where it is).
    """

    name: str
    title: str
    sentence: str
    literature: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a thing is drawn; colours by Okabe and Ito (Color Universal Design, 2008), told apart without them as well.

    Attributes:
        in_legend: what a legend calls it.
        stroke: its marker and line, as Matplotlib writes them.
        ink: colour of both, or of its bars.
        filling: of its marker.
        hatching: of its bars.
    """

    in_legend: str = ""
    stroke: str = "o-"
    ink: str = "#0072B2"
    filling: str = "full"
    hatching: str = ""


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


def choices(head: str, registry: Registry[Any], **more: str) -> str:
    """A key's description in the configuration's reference: what it chooses, and every choice in words.

    Args:
        head: what is chosen.
        registry: the things that may be.
        **more: name → words, of choices that are none of these things.

    Example:
        >>> choices("Paint", Registry("colour", [Entry(name="red", title="Red", sentence="warm{goethe}")]), none="bare")
        'Paint: `red` (warm), `none` (bare).'
    """
    words = {entry.name: re.sub(r"\{\w+\}", "", entry.sentence) for entry in registry.values()} | more
    return f"{head}: {', '.join(f'`{name}` ({text})' for name, text in words.items())}."


def load(reference: str) -> Any:
    """What ``"cayley_adapters.module:name"`` names, imported now.

    Example:
        >>> load("cayley_adapters.core.registry:Entry").__name__
        'Entry'
    """
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
