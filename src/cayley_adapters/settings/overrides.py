"""Overrides as they are typed: splitting them, reading Hydra's grammar, expanding its sweeps.

Nothing that is typed here reaches an interpolation, a resolver or Hydra's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, RangeSweep, ValueType
from hydra.errors import HydraException

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.settings.evaluation import Sweep

__all__ = ["SWEEPABLE", "Choices", "read_overrides", "split_overrides"]

AXES = tuple(f"sweep.{name}" for name in Sweep.model_fields)
MODEL_AXES = ("model", "model.path", "model.id", "model.revision")
SWEEPABLE = ("model", *AXES)
"""Keys that take several values; ``model.path`` does with model=local, ``model.id`` and ``.revision`` with hub."""

INTERPOLATION = "interpolation, ${…}, is not allowed in overrides; type the value itself"
MOST_VALUES = 1000
LONGEST = 20_000
DEEPEST = 8
_CLOSING = {"(": ")", "[": "]", "{": "}"}


@dataclass
class Choices:
    """What a list of overrides asks for.

    Attributes:
        groups: Group to the name of its file, ``model`` excepted.
        values: Dotted key to its value; an axis of the sweep has a list.
        models: The model entries, several when the model is swept; empty where none was named.
        per_model: Value lists of ``model.path``, ``model.id`` and ``model.revision``.
    """

    groups: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    per_model: dict[str, list[Any]] = field(default_factory=dict)


def split_overrides(text: str) -> list[str]:
    """Split overrides at white space outside quotes, brackets, braces and parentheses.

    A backslash takes the next character as it is.

    Args:
        text: Such as ``train.steps=40 sweep.block_dim=[2, 4]``.

    Returns:
        The overrides, quotes and all.

    Raises:
        CayleyError: A quote or bracket is not closed, or closed without having been opened.

    Example:
        >>> split_overrides("a=1 b=[2, 3]  c='x y'")
        ['a=1', 'b=[2, 3]', "c='x y'"]
    """
    parts: list[str] = []
    awaited: list[str] = []
    word, quote, escaped = "", "", False
    for character in text:
        if character.isspace() and not (awaited or quote or escaped):
            parts.append(word)
            word = ""
            continue
        word += character
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in _CLOSING:
            awaited.append(_CLOSING[character])
        elif character in _CLOSING.values() and (not awaited or awaited.pop() != character):
            raise CayleyError(f"overrides={show(text)}: '{character}' closes nothing that is open")
    if quote or awaited:
        missing = quote or awaited[-1]
        raise CayleyError(f"overrides={show(text)}: a closing {missing} is missing")
    return [part for part in [*parts, word] if part]


def read_overrides(
    overrides: Iterable[str],
    keys: Collection[str],
    text_keys: Collection[str],
    list_keys: Collection[str],
    groups: dict[str, Sequence[str]],
) -> Choices:
    """Read overrides, check their keys and expand their sweeps.

    Args:
        overrides: One ``key=value`` each, in Hydra's grammar.
        keys: All dotted keys of the schema.
        text_keys: Those that hold text, for which ``123`` stays a text.
        list_keys: Those that hold several values.
        groups: Each group and its options.

    Returns:
        What they ask for; values are not yet checked.

    Raises:
        CayleyError: One line for each override that is wrong.
    """
    choices, seen, wrong = Choices(), set(), []
    for text in overrides:
        try:
            override = _parse(text, [*groups, *keys])
            key = override.key_or_group
            if key in seen:
                raise CayleyError(f"'{key}' is given more than once; give it once")
            seen.add(key)
            _take(choices, override, key in text_keys, key in list_keys, groups.get(key))
        except CayleyError as error:
            wrong.append(str(error))
    if wrong:
        raise CayleyError("\n".join(wrong))
    return choices


def _take(choices: Choices, override: Override, is_text: bool, is_list: bool, options: Sequence[str] | None) -> None:
    """Enter one override into the choices."""
    key = override.key_or_group
    if not override.is_sweep_override():
        _refuse_interpolation(override.input_line or "", override.value())
    if key in MODEL_AXES:
        values = [_element(value) for value in _values(override, is_text)]
        if key == "model":
            for value in values:
                _known_option(key, value, options or ())
            choices.models = values
        else:
            choices.per_model[key] = values
    elif key in AXES:
        choices.values[key] = [_element(value) for value in _values(override, is_text)]
    elif override.is_sweep_override():
        hint = f"; several values for one run go into brackets: {key}=[…]" if is_list else ""
        raise CayleyError(f"{show(override.input_line)}: '{key}' cannot be swept; only {_sweepable()} can{hint}")
    elif options is not None:
        choices.groups[key] = _known_option(key, override.value(), options)
    else:
        choices.values[key] = _single(override, is_text)


def _parse(text: str, known: Sequence[str]) -> Override:
    """Parse one override and check its key."""
    key, equals, _ = text.partition("=")
    if key.strip() not in known and re.search(r"(?i)token|password|secret|credential|api_?key", key):
        raise CayleyError(
            f"unknown key '{show(key)}'{nearest(key, known) or '.'} Secrets are no part of the configuration, which is "
            "written into results: log in with the service's own command, or set HF_TOKEN, WANDB_API_KEY or "
            "QISKIT_IBM_TOKEN"
        )
    if len(text) > LONGEST:
        raise CayleyError(f"{show(text)}: is longer than {LONGEST} characters")
    if max(accumulate((c in "([{") - (c in ")]}") for c in text), default=0) > DEEPEST:
        raise CayleyError(f"{show(text)}: has brackets nested deeper than {DEEPEST}; no value needs that")
    if "${" in text:
        raise CayleyError(f"{show(text)}: {INTERPOLATION}")
    if "_target_" in text:
        raise CayleyError(f"{show(text)}: '_target_' is not allowed; an override only sets keys and values")
    if re.match(r"[+~]*hydra\b", key.strip()):
        raise CayleyError(f"{show(text)}: Hydra's own settings cannot be changed here; leave it out")
    if key.startswith(("+", "~")):
        raise CayleyError(f"{show(text)}: keys are neither added nor removed; type {key.lstrip('+~')}=value")
    if not equals or not key.strip():
        raise CayleyError(f"{show(text)}: is no override; type key=value, without spaces around '='")
    if key == "experiment":
        raise CayleyError(f"{show(text)}: the experiment is no override; type it outside of them, as experiment=NAME")
    if key.strip() not in known:
        raise CayleyError(f"unknown key '{show(key)}'{_closest(key, known)}")
    try:
        override = OverridesParser.create().parse_override(text)
    except (HydraException, ArithmeticError, RecursionError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or ["it is too long"])[0]
        raise CayleyError(
            f"{show(text)}: the value cannot be read ({reason}); put special characters into quotes: {key}='…'"
        ) from None
    if override.key_or_group not in known or override.package or override.type is not OverrideType.CHANGE:
        raise CayleyError(f"unknown key '{show(key)}'{_closest(key, known)}")
    return override


def _values(override: Override, is_text: bool) -> list[Any]:
    """Expand a sweep, a list or a single value."""
    key, text = override.key_or_group, show(override.input_line)
    if override.value_type in (ValueType.INTERVAL_SWEEP, ValueType.GLOB_CHOICE_SWEEP):
        raise CayleyError(f"{text}: interval and glob are not possible; list the values: {key}=a,b,c")
    if re.match(r"\s*shuffle\s*\(", override.get_value_string()):
        raise CayleyError(f"{text}: shuffle is not possible, results must not depend on chance; list the values")
    if not override.is_sweep_override():
        value = _single(override, is_text)
        values = value if isinstance(value, list) else [value]
    else:
        try:
            values = list(islice(override.sweep_iterator(), MOST_VALUES + 1))
        except (HydraException, ArithmeticError, TypeError, ValueError) as error:
            raise CayleyError(f"{text}: cannot be expanded ({error}); list the values: {key}=a,b,c") from None
        if isinstance(override.value(), RangeSweep):
            values = [float(f"{value:.12g}") if isinstance(value, float) else value for value in values]
    _refuse_interpolation(text, values)
    if not values:
        raise CayleyError(f"{text}: must have at least one value")
    if len(values) > MOST_VALUES:
        raise CayleyError(f"{text}: is more than {MOST_VALUES} values")
    return values


def _single(override: Override, is_text: bool) -> Any:
    """Return a value that is not swept; a text that looks like a number or a truth value stays as typed."""
    value = override.value()
    if is_text and isinstance(value, (bool, int, float)):
        return override.get_value_string().strip()
    return value


def _element(value: Any) -> Any:
    return value.text if isinstance(value, QuotedString) else value


def _refuse_interpolation(text: str, value: Any) -> None:
    """Refuse a value that escapes have made an interpolation of, as in ``$\\{oc.env:HOME\\}``."""
    parts = [value] if not isinstance(value, (list, dict)) else value if isinstance(value, list) else [*value.items()]
    for part in map(_element, parts):
        if isinstance(part, (list, dict, tuple)):
            _refuse_interpolation(text, list(part) if isinstance(part, tuple) else part)
        elif isinstance(part, str) and "${" in part:
            raise CayleyError(f"{show(text)}: {INTERPOLATION}")


def _known_option(group: str, value: Any, options: Sequence[str]) -> str:
    name = show(value)
    if name not in options:
        raise CayleyError(f"{group}={name}: unknown {group} '{name}'{suggest(name, options)}")
    return name


def _sweepable() -> str:
    return f"{', '.join(SWEEPABLE)}, model.path (with model=local) and model.id (with model=hub)"


def _closest(key: str, known: Sequence[str]) -> str:
    """Return the hint to the nearest key: one that ends alike, best an axis, or else one that is spelt alike."""
    last = key.rpartition(".")[2]
    alike = [name for name in known if "." in name and last and re.search(rf"[._]{re.escape(last)}$", name)]
    axes = [name for name in alike if name in SWEEPABLE]
    alike = axes if len(axes) == 1 else alike
    if len(alike) == 1:
        return f"; did you mean '{alike[0]}'?"
    return nearest(key, known) or f"; known: {', '.join(known)}"
