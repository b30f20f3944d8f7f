"""The variants of a run: those that a preset names, those that are swept, and what each combination is called."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show
from cayley_adapters.settings.fields import Name, Text, explain
from cayley_adapters.settings.overrides import one_of_a_run
from cayley_adapters.settings.sections import Section

if TYPE_CHECKING:
    from cayley_adapters.settings.schema import Settings

__all__ = [
    "Combination",
    "Entry",
    "by_variant",
    "combine",
    "name_models",
    "name_variants",
    "read_entries",
    "require_own",
]

MOST_VARIANTS = 256
LONGEST_NAME = 100
SHOWN = 3

_OWNERS = {"model.path": "local", "model.id": "hub", "model.revision": "hub"}
"""Keys that say which model, and the option of ``model`` that has a use for them."""


class Entry(Section):
    """A variant that a preset names."""

    name: Name
    title: Text | None = None
    overrides: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Combination:
    """What one variant is of.

    Attributes:
        sets: Group → option, key → value.
        entry: The preset's variant that it is, or rests on.
        model: What tells its model from the others, where models are swept.
        labels: What it has of each further key or group that is swept.
    """

    sets: dict[str, Any]
    entry: Entry | None
    model: tuple[Any, ...] | None
    labels: tuple[str, ...]


def read_entries(
    preset: str, given: Any, read: Callable[[Sequence[str]], dict[str, list[Any]]]
) -> list[tuple[Entry, dict[str, Any]]]:
    """Read the variants that a preset names.

    Args:
        preset: Its name.
        given: What it has under ``variants``.
        read: What reads overrides, as those that are typed.

    Returns:
        Each with the values that it sets.

    Raises:
        CayleyError: They are no list of ``{name, title, overrides}``, or an override is wrong; one line each.
    """
    where, lines = f"experiment={preset}", []
    if not isinstance(given, list) or not given:
        raise CayleyError(f"{where}: variants={show(given)}: must be a list of one or more {{name, title, overrides}}")
    found = []
    for number, raw in enumerate(given, 1):
        try:
            entry = Entry.model_validate(raw)
        except ValidationError as error:
            lines += [f"{where}, variant {number}: {line}" for line in explain(error, Entry.model_fields)]
            continue
        try:
            values = read(entry.overrides)
        except CayleyError as error:
            lines += [f"{where}, variant {entry.name}: {line}" for line in str(error).splitlines()]
            continue
        for key, several in values.items():
            if why := one_of_a_run(key):
                lines.append(f"{where}, variant {entry.name}: '{key}' cannot differ between variants: {why}")
            elif len(several) > 1:
                lines.append(f"{where}, variant {entry.name}: '{key}' has several values; name a variant for each")
        found.append((entry, {key: several[0] for key, several in values.items()}))
    names = [entry.name for entry, _ in found]
    if twice := dict.fromkeys(name for name in names if names.count(name) > 1):
        lines.append(
            f"{where}: variants: {', '.join(twice)} is named more than once; give each variant a name of its own"
        )
    if lines:
        raise CayleyError("\n".join(lines))
    return found


def combine(
    entries: Sequence[tuple[Entry, dict[str, Any]]], typed: Mapping[str, list[Any]], groups: Collection[str]
) -> list[Combination]:
    """Combine a preset's variants with the values of each key and group that were typed, the first slowest.

    What is typed wins over what an entry says, a group over the entry's keys inside it. A path belongs to model=local
    alone and an id to model=hub where these are swept beside others, and several revisions go in step with as many ids.

    Raises:
        CayleyError: There are too many, or revisions and ids do not go together.
    """
    ids, revisions = typed.get("model.id", []), typed.get("model.revision", [])
    in_step = len(ids) > 1 and len(revisions) > 1
    if in_step and len(ids) != len(revisions):
        raise CayleyError(
            f"model.revision: has {len(revisions)} values where model.id has {len(ids)}; give one or {len(ids)}"
        )
    lengths = {key: len(values) for key, values in typed.items() if len(values) > 1}
    lengths |= {"variants": len(entries)} if len(entries) > 1 else {}
    count = math.prod(lengths.values()) // (len(ids) if in_step else 1)
    if count > MOST_VARIANTS:
        raise CayleyError(
            f"{', '.join(lengths)}: {' × '.join(map(str, lengths.values()))} values are {count} variants, and a run "
            f"has {MOST_VARIANTS} at most; give fewer values, or make several runs of it"
        )
    naming = {"model", "model.path", "model.id"} | ({"model.revision"} if in_step else set())
    labels = _labels({key: typed[key] for key in lengths if key in typed and key not in naming}, groups)
    found: dict[str, Combination] = {}
    starts: list[tuple[Entry | None, dict[str, Any]]] = [*entries] or [(None, {})]
    for (entry, sets), values in product(starts, product(*typed.values())):
        chosen = dict(zip(typed, values, strict=True))
        if in_step and ids.index(chosen["model.id"]) != revisions.index(chosen["model.revision"]):
            continue
        for key, owner in _OWNERS.items():
            if owner in typed.get("model", ()) and chosen["model"] != owner:
                chosen.pop(key, None)
        own = {key: value for key, value in sets.items() if not {key, key.partition(".")[0]} & set(typed)}
        model = tuple(chosen.get(key) for key in sorted(naming)) if naming & set(lengths) else None
        told = tuple(labels[key](value) for key, value in chosen.items() if key in labels)
        found[repr((entry, chosen))] = Combination(own | chosen, entry, model, told)
    return list(found.values())


def _labels(swept: Mapping[str, list[Any]], groups: Collection[str]) -> dict[str, Callable[[Any], str]]:
    """What writes a value of each swept key or group as part of a name.

    An option stands for itself and a key is shortened to its last part, unless that could be meant for two.
    """
    stems = {key: set(values) if key in groups else {key.rpartition(".")[2]} for key, values in swept.items()}
    count = Counter(stem for found in stems.values() for stem in found)

    def label(key: str) -> Callable[[Any], str]:
        alone = all(count[stem] == 1 for stem in stems[key])
        if key in groups:
            return lambda value: value if alone else f"{key}.{value}"
        start = key.rpartition(".")[2] if alone else key
        return lambda value: f"{start}{_text(value)}"

    return {key: label(key) for key in swept}


def _text(value: Any) -> str:
    """Write a value as part of a name."""
    if isinstance(value, list):
        return "+".join(map(_text, value)) or "none"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else show(value)


def name_models(raws: Sequence[dict[str, Any]]) -> None:
    """Name the models that have no name after their id or folder, with as much of it as tells them apart."""
    models = [raw["model"] for raw in raws if isinstance(raw.get("model"), dict)]
    nameless = [model for model in models if model.get("name") is None]
    local = [
        model for model in nameless if model.get("source") in ("local", "gguf") and isinstance(model.get("path"), str)
    ]
    paths = dict.fromkeys(model["path"] for model in local if model["path"].isprintable())
    parts = [Path(os.path.realpath(os.path.expanduser(path))).parts for path in paths]
    names: dict[str, str] = {}
    for length in range(1, max(map(len, parts), default=0) + 1):
        found = [_safe("-".join(part.strip("/") for part in path[-length:])) for path in parts]
        names = dict(zip(paths, found, strict=True))
        if len(set(found)) == len(found):
            break
    for model in nameless:
        if model.get("source") == "hub" and isinstance(model.get("id"), str):
            model["name"] = _safe(model["id"].replace("/", "--"))
        else:
            model["name"] = names.get(str(model.get("path")), "unnamed")  # the schema says what is wrong with it


def name_variants(combinations: Sequence[Combination], models: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Name each combination after its entry, its model and its labels; give titles to those of titled entries.

    Args:
        combinations: All of a run.
        models: The name of each one's model.

    Returns:
        Name and title of each; no name where there is one combination only.
    """
    rests = [([model] if one.model else []) + [*one.labels] for one, model in zip(combinations, models, strict=True)]
    titles = [
        ", ".join([one.entry.title, *rest]) if one.entry and one.entry.title else None
        for one, rest in zip(combinations, rests, strict=True)
    ]
    if len(combinations) == 1:
        return [(None, titles[0])]
    firsts = [[one.entry.name] if one.entry else [] for one in combinations]
    names = [_safe("-".join(first + rest), 10_000) for first, rest in zip(firsts, rests, strict=True)]
    alike = Counter(name.lower() for name in names)  # as some file systems see them
    for place, (name, one) in enumerate(zip(names, combinations, strict=True)):
        if alike[name.lower()] > 1 or len(name) > LONGEST_NAME:
            digest = hashlib.sha256(repr((one.entry and one.entry.name, one.sets)).encode()).hexdigest()[:8]
            names[place] = f"{name[: LONGEST_NAME - 9]}-{digest}"
    return list(zip(names, titles, strict=True))


def _safe(text: str, longest: int = LONGEST_NAME) -> str:
    """Make a text safe as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:longest] or "model"


def require_own(combinations: Sequence[Combination], found: Sequence[Settings]) -> None:
    """See that no two variants are one, and that no two models have the same name.

    Args:
        combinations: All of a run.
        found: The configuration of each.

    Raises:
        CayleyError: They are, or have; one line each.
    """
    models: dict[str, tuple[Any, ...]] = {}
    same: dict[str, list[str]] = {}
    lines = []
    for one, settings in zip(combinations, found, strict=True):
        name = settings.model.name
        if one.model and models.setdefault(name, one.model) != one.model:
            lines.append(f"model: {name} is given more than once; give each model once, and no model.name")
        same.setdefault(settings.model_dump_json(exclude={"variant", "title"}), []).append(str(settings.variant))
    lines += [
        f"variants {_listed(names)} come out as one configuration; give it once (a key wins over its group, and what "
        "is typed over what a preset's variant says)"
        for names in same.values()
        if len(names) > 1
    ]
    if lines:
        raise CayleyError("\n".join(dict.fromkeys(lines)))


def by_variant(lines: Iterable[tuple[str | None, Iterable[str]]]) -> list[str]:
    """Say what is wrong with the variants of a run: what is wrong with all of them once, else whose mistake it is.

    Args:
        lines: The name of each variant, and what is wrong with it.
    """
    whose: dict[str, list[str]] = {}
    count = 0
    for name, wrong in lines:
        count += 1
        for line in dict.fromkeys(wrong):
            whose.setdefault(line, []).append(str(name))
    return [
        line if len(names) == count else f"variant{'s' * (len(names) > 1)} {_listed(names)}: {line}"
        for line, names in whose.items()
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
