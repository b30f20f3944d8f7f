"""YAML as data alone: no tags, no aliases, no depth without end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["load_yaml", "scalars"]

DEEPEST = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def scalars(text: str) -> Iterator[str]:
    """Yield every key and every value of a YAML text, as it is written.

    Raises:
        ValueError: it has a tag, which asks for an object, an alias, which may unfold without end, or is too deep.
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ValueError(f"is nested deeper than {DEEPEST}")
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"alias *{event.anchor} is not allowed")
        if tag := getattr(event, "tag", None):
            raise ValueError(f"tag {tag} is not allowed")
        if isinstance(event, yaml.ScalarEvent):
            yield event.value


def load_yaml(text: str) -> Any:
    """Read a YAML text of keys and plain values.

    Raises:
        ValueError, yaml.YAMLError: as :func:`scalars`, or a value is none, such as the date 2001-13-45.
    """
    for _ in scalars(text):
        pass
    return yaml.safe_load(text)
