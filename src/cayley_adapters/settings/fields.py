"""Constrained field types of the settings, and the wording of what is wrong with a value.

Each type refuses a wrong value with one sentence that says what is allowed. Whole numbers may be written as ``1e3``;
truth values never pass for numbers; nothing but :data:`Shots` may be infinite.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, WrapValidator
from pydantic_core import CoreSchema, core_schema

from cayley_adapters.core.errors import nearest
from cayley_adapters.core.messages import show
from cayley_adapters.core.text_files import SEPARATORS, expand

__all__ = [
    "PROJECTIONS",
    "Between",
    "HubId",
    "Layout",
    "Name",
    "Path",
    "Paths",
    "Pattern",
    "Projection",
    "Revision",
    "Shots",
    "Text",
    "as_whole",
    "axis",
    "explain",
]

Projection = Literal["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""The projections of a Llama-like layer that can be compressed or adapted."""

PROJECTIONS: tuple[str, ...] = get_args(Projection)
LAYOUTS = ("median", "best")
MOST_SHOTS = 1_000_000_000


def _plain(value: float) -> str:
    """Write a bound without exponent or trailing zeros where it is a whole number."""
    return str(int(value)) if float(value).is_integer() else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def as_whole(value: Any) -> int | None:
    """Return a whole number, also one written as ``1e3``, or None where it is none."""
    if not _is_number(value) or (isinstance(value, float) and not value.is_integer()):
        return None
    return int(value)


@dataclass(frozen=True)
class Between:
    """Marks an ``int`` or ``float`` field with the range that it may have.

    Attributes:
        low: Smallest allowed value.
        high: Largest allowed value.
        above: Whether ``low`` itself is refused.
        below: Whether ``high`` itself is refused.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    @property
    def allowed(self) -> str:
        """The range in words."""
        low, high = _plain(self.low), _plain(self.high)
        if not self.above and not self.below:
            return f"between {low} and {high}"
        return f"{'above' if self.above else 'at least'} {low} and {'below' if self.below else 'at most'} {high}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        check = self._whole if source is int else self._number
        return core_schema.no_info_before_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        low, high = "exclusiveMinimum" if self.above else "minimum", "exclusiveMaximum" if self.below else "maximum"
        return {**handler(schema), low: self.low, high: self.high}

    def _whole(self, value: Any) -> int:
        whole = as_whole(value)
        if whole is None or not self._inside(whole):
            raise ValueError(f"must be a whole number {self.allowed}")
        return whole

    def _number(self, value: Any) -> float:
        if not _is_number(value) or not self._inside(value):
            raise ValueError(f"must be a number {self.allowed}")
        return float(value) + 0.0  # turns -0.0 into 0.0

    def _inside(self, value: float) -> bool:
        over = self.low < value if self.above else self.low <= value
        return over and (value < self.high if self.below else value <= self.high)


def _shots(value: Any) -> int | str:
    if value in ("inf", math.inf) and not isinstance(value, bool):
        return "inf"
    whole = as_whole(value)
    if whole is None or not 1 <= whole <= MOST_SHOTS:
        raise ValueError(f"must be a whole number between 1 and {MOST_SHOTS}, or inf for unlimited shots")
    return whole


def _layout(value: Any) -> str | tuple[int, ...] | tuple[tuple[int, ...], ...]:
    allowed = (
        f"must be {' or '.join(LAYOUTS)}, a list of different qubits such as [3,4,5], or a list of such lines, "
        "over which blocks are dealt, such as [[3,4],[7,8]]"
    )
    if isinstance(value, str):
        if value not in LAYOUTS:
            raise ValueError(allowed + nearest(value, LAYOUTS))
        return value
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if items and all(isinstance(item, (list, tuple)) for item in items):
        return tuple(_line(item, allowed) for item in items)
    return _line(items, allowed)


def _line(items: Iterable[Any], allowed: str) -> tuple[int, ...]:
    given = [as_whole(qubit) for qubit in items]
    qubits = tuple(qubit for qubit in given if qubit is not None and qubit >= 0)
    if not given or len(set(qubits)) < len(given):
        raise ValueError(allowed)
    return qubits


def _like(pattern: str, allowed: str) -> BeforeValidator:
    """Accept texts that match a pattern as a whole."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(allowed)
        return value

    return BeforeValidator(check)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("must be a text of printable characters, not empty")
    return value


def _path(value: Any) -> str:
    return os.path.expanduser(_text(value))


def _paths(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    paths = list(value) if isinstance(value, (list, tuple)) else [value]
    if not paths:
        raise ValueError("must be a path or a list of at least one path")
    try:
        paths = [_path(path) for path in paths]
    except ValueError:
        raise ValueError("must be a path or a list of paths such as [a.txt,b.txt]") from None
    if len(set(paths)) < len(paths):
        raise ValueError("names the same file twice")
    return tuple(expand(paths))


def _pattern(value: Any) -> str:
    text = _text(value)
    if text in SEPARATORS:
        return text
    try:
        empty = re.search(text, "")
    except re.error as error:
        raise ValueError(f"must be {', '.join(SEPARATORS)} or a regular expression ({error})") from None
    if empty:
        raise ValueError("must not match an empty text, which lies between any two letters")
    return text


Shots = Annotated[int | Literal["inf"], BeforeValidator(_shots)]
"""A number of shots, or the text ``inf`` for unlimited ones; ``float()`` takes both."""

Layout = Annotated[Literal["median", "best"] | tuple[int, ...] | tuple[tuple[int, ...], ...], BeforeValidator(_layout)]
"""Which qubits of the device stand for the circuit: its median, its best, the listed ones, or lines of them."""

Name = Annotated[
    str,
    _like(
        r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}",
        "must begin with a letter or digit and go on with letters, digits, '.', '_', '+' or '-', 100 at most",
    ),
]
"""A name that is safe as a folder."""

HubId = Annotated[
    str, _like(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?", "must be a hub id such as ORGANISATION/NAME")
]
"""The id of a model or dataset on the Hugging Face hub."""

Revision = Annotated[
    str,
    _like(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", "must be a revision: a commit hash, or else a tag or branch"),
]
"""A revision on the Hugging Face hub."""

Text = Annotated[str, BeforeValidator(_text)]
"""Printable characters, not empty."""

Pattern = Annotated[str, BeforeValidator(_pattern)]
"""A separator that has a name, or a regular expression."""

Path = Annotated[str, BeforeValidator(_path)]
"""One path; ``~`` is the home folder."""

Paths = Annotated[tuple[str, ...] | None, BeforeValidator(_paths)]
"""Files, or null: given as one path or several, of files, folders or globs."""


def axis(order: Callable[[Any], Any] | None = None, empty: bool = False) -> WrapValidator:
    """Mark a tuple as a set of values: a single value will do, none may come twice, and they are stored sorted.

    Args:
        order: The sort key; None sorts ascending.
        empty: Whether no value at all is allowed.

    Returns:
        The validator to put into ``Annotated[tuple[X, ...], axis()]``.
    """

    def check(value: Any, handler: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
        values = handler(list(value) if isinstance(value, (list, tuple)) else [value])
        if not values and not empty:
            raise ValueError("must have at least one value")
        twice = sorted({show(item) for item in values if values.count(item) > 1})
        if twice:
            raise ValueError(f"has {', '.join(twice)} more than once; give each value once")
        return tuple(sorted(values, key=order))

    return WrapValidator(check)


def explain(error: ValidationError, known: Iterable[str], within: str = "") -> list[str]:
    """Say what is wrong with a configuration, one line a mistake.

    Args:
        error: What the schema raised.
        known: All dotted keys, for the nearest one to an unknown key.
        within: Key of the part that was checked alone.

    Returns:
        Lines such as ``train.steps=-3: must be a whole number between 0 and 10000000``.
    """
    known, lines = list(known), []
    for item in error.errors(include_url=False):
        given, context = item["input"], item.get("ctx", {})
        key = ".".join(part for part in (within, *item["loc"]) if part and isinstance(part, str))
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown key '{key}'{nearest(key, known)}")
        elif item["type"] == "missing":
            lines.append(f"{key}: is missing")
        elif item["type"] == "literal_error":
            options = re.findall(r"'([^']*)'", context["expected"])
            lines.append(f"{key}={show(given)}: must be one of {', '.join(options)}{nearest(str(given), options)}")
        elif item["type"] == "value_error" and key not in known:
            lines.extend(str(context["error"]).splitlines())  # a section's own check names its keys itself
        elif item["type"] == "value_error":
            lines.append(f"{key}={show(given)}: {context['error']}")
        elif item["type"] == "model_type":
            lines.append(f"{key or 'the configuration'}={show(given)}: must be a section of keys and values")
        else:
            lines.append(f"{key}={show(given)}: {item['msg'][:1].lower()}{item['msg'][1:]}")
    return lines
