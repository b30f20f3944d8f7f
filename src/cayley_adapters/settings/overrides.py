"""Overrides as they are typed: splitting them, reading Hydra's grammar, expanding its sweeps.

Nothing that is typed here reaches an interpolation, a resolver or Hydra's own settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import accumulate, islice
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, QuotedString, RangeSweep, ValueType
from hydra.errors import HydraException

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.settings.evaluation import Sweep

__all__ = ["one_of_a_run", "read_overrides", "split_overrides"]

AXES = tuple(f"sweep.{name}" for name in Sweep.model_fields)
"""Keys whose several values are axes of one map."""

_ELSEWHERE = {
    "experiment": "the experiment is no override; type it outside of them, as experiment=NAME",
    "variant": "a variant is named after what it has of its own, and its name is not typed; leave it out",
    "title": "titles are given to the variants that a preset names, in its file of conf/experiment; leave it out",
    "variants": "variants are named in a preset, a file of conf/experiment; type the values instead, key=a,b",
}
"""What looks like a key and is no override, and where it belongs."""

_LEVERS = "levers are variants of the map themselves"
_ONE = {
    "run": "it names the folder that all variants of a run lie in; give one name",
    "store": "all variants of a run share one; give one folder",
    "replace": "it is about a run as a whole; give true or false",
    "track": "all variants of a run are logged in one place; give one value",
    "levers": f"{_LEVERS}; give one size",
    "levers.size": f"{_LEVERS}; give one size",
    "levers.names": f"{_LEVERS}; list them in brackets, levers.names=[…]",
}
"""Keys and groups that all variants of a run have in common, and why."""

INTERPOLATION = "interpolation, ${…}, is not allowed in overrides; type the value itself"
MOST_VALUES = 1000
LONGEST = 20_000
DEEPEST = 8
FEW = 3
"""Keys that end alike are all named, if they are no more."""

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def one_of_a_run(key: str) -> str | None:
    """Say why all variants of a run have a key or group in common; None where they may differ in it."""
    return _ONE.get("track" if key.startswith("track.") else key)


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
    return _split(text, str.isspace)


def _split(text: str, separates: Callable[[str], bool]) -> list[str]:
    """Split a text at characters outside quotes, brackets, braces and parentheses."""
    parts: list[str] = []
    awaited: list[str] = []
    word, quote, escaped = "", "", False
    for character in text:
        if separates(character) and not (awaited or quote or escaped):
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
    overrides: Iterable[str], keys: Collection[str], text_keys: Collection[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, list[Any]]:
    """Read overrides, check their keys and expand their sweeps.

    Args:
        overrides: One ``key=value`` each, in Hydra's grammar.
        keys: All dotted keys of the schema.
        text_keys: Those that hold text, for which ``123`` stays a text.
        groups: Each group and its options.

    Returns:
        Key or group → its values in the order typed, one unless it is swept; that of an axis of the map is one list.
        The options of groups are checked, values are not yet.

    Raises:
        CayleyError: One line for each override that is wrong.
    """
    found: dict[str, list[Any]] = {}
    wrong = []
    for text in overrides:
        try:
            override = _parse(text, [*groups, *keys])
            key = override.key_or_group
            if key in found:
                raise CayleyError(f"'{key}' is given more than once; give it once")
            values = _values(override, key in text_keys, key in groups)
            found[key] = [_known_option(key, value, groups[key]) for value in values] if key in groups else values
        except CayleyError as error:
            wrong.append(str(error))
    if wrong:
        raise CayleyError("\n".join(wrong))
    return found


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
    if key in _ELSEWHERE:
        raise CayleyError(f"{show(text)}: {_ELSEWHERE[key]}")
    if key.strip() not in known:
        raise CayleyError(f"unknown key '{show(key)}'{_closest(key, known)}")
    override = _read(text)
    if override.key_or_group not in known or override.package or override.type is not OverrideType.CHANGE:
        raise CayleyError(f"unknown key '{show(key)}'{_closest(key, known)}")
    return override


def _read(text: str) -> Override:
    """Let Hydra read one override."""
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ArithmeticError, RecursionError, TypeError, ValueError) as error:
        key, reason = text.partition("=")[0], (str(error).splitlines() or ["it is too long"])[0]
        raise CayleyError(
            f"{show(text)}: the value cannot be read ({reason}); put special characters into quotes: {key}='…'"
        ) from None


def _values(override: Override, is_text: bool, is_group: bool) -> list[Any]:
    """Return the values that a key or group is to have, one after the other."""
    key, text = override.key_or_group, show(override.input_line)
    swept = override.is_sweep_override()
    if swept:
        values = _expanded(override, is_text)
    else:
        value = _single(override, is_text)
        # Brackets are one value, but what names a group's option, an axis or a model takes them for several.
        several = is_group or key in AXES or key.startswith("model.")
        values = value if several and isinstance(value, list) else [value]
    _refuse_interpolation(text, values)
    if not values:
        raise CayleyError(f"{text}: must have at least one value")
    if len(values) > MOST_VALUES:
        raise CayleyError(f"{text}: is more than {MOST_VALUES} values")
    if key in AXES:
        return [values]
    if (swept or len(values) > 1) and (why := one_of_a_run(key)):
        raise CayleyError(f"{text}: '{key}' cannot be swept: {why}")
    twice = dict.fromkeys(show(value) for value in values if values.count(value) > 1)
    if twice:
        raise CayleyError(f"{text}: {', '.join(twice)} is given more than once; give each value once")
    return values


def _expanded(override: Override, is_text: bool) -> list[Any]:
    """Expand a sweep."""
    key, text, typed = override.key_or_group, show(override.input_line), override.get_value_string()
    if override.value_type in (ValueType.INTERVAL_SWEEP, ValueType.GLOB_CHOICE_SWEEP):
        raise CayleyError(f"{text}: interval and glob are not possible; list the values: {key}=a,b,c")
    if re.match(r"\s*shuffle\s*\(", typed):
        raise CayleyError(f"{text}: shuffle is not possible, results must not depend on chance; list the values")
    if is_text and override.value_type is ValueType.SIMPLE_CHOICE_SWEEP:
        return [_single(_read(f"{key}={part}"), is_text) for part in _split(typed, ",".__eq__)]
    try:
        values = [_plain(value) for value in islice(override.sweep_iterator(), MOST_VALUES + 1)]
    except (HydraException, ArithmeticError, TypeError, ValueError) as error:
        raise CayleyError(f"{text}: cannot be expanded ({error}); list the values: {key}=a,b,c") from None
    if isinstance(override.value(), RangeSweep):
        values = [float(f"{value:.12g}") if isinstance(value, float) else value for value in values]
    return values


def _single(override: Override, is_text: bool) -> Any:
    """Return a value that is not swept; a text that looks like a number or a truth value stays as typed."""
    value = override.value()
    if is_text and isinstance(value, (bool, int, float)):
        return override.get_value_string().strip()
    return value


def _plain(value: Any) -> Any:
    """Take texts out of their quotes."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(part) for key, part in value.items()}
    return value.text if isinstance(value, QuotedString) else value


def _refuse_interpolation(text: str, value: Any) -> None:
    """Refuse a value that escapes have made an interpolation of, as in ``$\\{oc.env:HOME\\}``."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        for part in value:
            _refuse_interpolation(text, part)
    elif isinstance(value, str) and "${" in value:
        raise CayleyError(f"{show(text)}: {INTERPOLATION}")


def _known_option(group: str, value: Any, options: Sequence[str]) -> str:
    name = show(value)
    if name not in options:
        raise CayleyError(f"{group}={name}: unknown {group} '{name}'{suggest(name, options)}")
    return name


def _closest(key: str, known: Sequence[str]) -> str:
    """Return the hint to the nearest key: what ends alike, best an axis, or else one that is spelt alike."""
    last = key.rpartition(".")[2]
    alike = [name for name in known if "." in name and last and re.search(rf"[._]{re.escape(last)}$", name)]
    best = [name for name in alike if name in AXES or key.endswith(name)]
    alike = best if len(best) == 1 else alike
    if len(alike) > FEW:
        alike = [name for name in alike if name.endswith(f".{last}")]
    if 1 <= len(alike) <= FEW:
        return f"; did you mean {' or '.join(map(repr, alike))}?"
    if near := nearest(key, known):
        return near
    section = key.partition(".")[0]
    inside = [name for name in known if name.startswith(f"{section}.")]
    if inside:
        return f"; known: {', '.join(inside)}"
    sections = dict.fromkeys(name.partition(".")[0] for name in known)
    return f"; known: {', '.join(sections)}; `cayley config --reference` lists every key of each"
