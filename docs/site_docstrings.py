"""How the site reads docstrings: their examples as code, their references as plain names."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

__all__ = ["Docstrings"]


class Docstrings(Extension):
    """Turns ``Example:`` into the section that Griffe shows as code, and ``:func:`module.name``` into ``name``."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite one object's docstring."""
        if obj.docstring:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.M)
            obj.docstring.value = re.sub(r":(?:attr|class|data|func|meth|mod):`(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
