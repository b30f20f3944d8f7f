"""The typed schema of a run's configuration: sections, cross checks, and the frozen ``config.yaml``.

A :class:`Settings` is frozen, complete and resolved: what it says is what runs.
"""

from __future__ import annotations

import math
import types
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, reduce
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.settings.benchmarks import Benchmarks
from cayley_adapters.settings.checks import CHECKS
from cayley_adapters.settings.evaluation import Evaluate, Noise, Sweep
from cayley_adapters.settings.fields import Name, Text, explain
from cayley_adapters.settings.heal import Heal
from cayley_adapters.settings.levers import Levers
from cayley_adapters.settings.qpu import Qpu
from cayley_adapters.settings.questions import Questions
from cayley_adapters.settings.search import Search
from cayley_adapters.settings.sections import Compress, Data, Model, Section, Track, Transpile
from cayley_adapters.settings.train import Control, Train

__all__ = ["Settings", "fields", "holds", "load_settings", "partial", "sections", "validate"]


class Settings(Section):
    """The resolved configuration of a run, or of one of its variants."""

    run: Name = Field(description="Name of the results folder.")
    experiment: Name = Field(description="Name of the preset.")
    variant: Name | None = Field(
        description="Name of this configuration among the run's, made of what it has of its own; null if it is alone."
    )
    title: Text | None = Field(description="What comparisons call it, as its preset says; null is its name.")
    store: str | None = Field(
        description="Folder that results of single steps lie in, shared by all runs; null is results/store."
    )
    replace: bool = Field(
        exclude=True,  # it is about one command, and nothing of the results
        description="Whether results of another configuration that have the run's name are let go.",
    )
    model: Model
    data: Data
    compress: Compress
    heal: Heal
    search: Search
    train: Train
    control: Control
    transpile: Transpile
    noise: Noise
    evaluate: Evaluate
    questions: Questions
    benchmarks: Benchmarks
    qpu: Qpu
    sweep: Sweep
    levers: Levers
    track: Track

    @model_validator(mode="after")
    def _check(self) -> Settings:
        if line := next((line for check in CHECKS for line in check(self)), None):
            raise ValueError(line)
        return self

    def leaf(self, dotted: str) -> Any:
        """Return one value, or one section as a dictionary, in plain JSON types.

        Args:
            dotted: Its key, such as ``train.steps`` or ``model``.

        Raises:
            CayleyError: There is no such key.
            AttributeError: These settings were made without it; see :func:`partial`.
        """
        value: Any = self._plain
        for part in dotted.split("."):
            if not isinstance(value, dict) or part not in value:
                known = [*type(self).model_fields, *fields()]
                if dotted in known:
                    return reduce(getattr, dotted.split("."), self)  # says that it may not be read
                raise CayleyError(f"unknown key '{dotted}'{nearest(dotted, known)}")
            value = value[part]
        return dict(value) if isinstance(value, dict) else value

    @cached_property
    def _plain(self) -> dict[str, Any]:
        """All values in plain JSON types; kept, since a workflow of thousands of jobs asks for each one's leaves."""
        return self.model_dump(mode="json")

    def leaves(self, *dotted: str) -> dict[str, Any]:
        """Return the named values and sections under their keys, in plain JSON types."""
        return {key: self.leaf(key) for key in dotted}

    def changed(self, section: str, **values: Any) -> Settings:
        """Return the same with some values of a section changed; they are not checked."""
        copy = self.model_copy(update={section: getattr(self, section).model_copy(update=values)})
        copy.__dict__.pop("_plain", None)  # which is of the old values
        return copy

    def only(self, *dotted: str) -> Settings:
        """Return settings that hold the named values and sections and nothing else; see :func:`partial`."""
        return partial(self.leaves(*dotted))

    def to_yaml(self) -> str:
        """Write the settings as YAML, the same text for equal settings."""
        return yaml.dump(
            self.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf
        )


class _Dumper(yaml.SafeDumper):
    """Block style for sections, one line for lists."""


_Dumper.add_representer(list, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, True))


def fields(section: type[BaseModel] = Settings, prefix: str = "") -> dict[str, FieldInfo]:
    """Return the dotted key of each leaf and its field, in the order of the schema."""
    found: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        if section_type := _section(field):
            found |= fields(section_type, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def sections() -> dict[str, type[BaseModel]]:
    """Return the name and the class of each section, in the order of the schema."""
    return {name: found for name, field in Settings.model_fields.items() if (found := _section(field))}


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The class of a field that is a section, else None."""
    found = field.annotation
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def holds(field: FieldInfo, kind: type) -> bool:
    """Say whether a field's values, or what they consist of, may be of a kind, such as ``str`` or ``tuple``."""

    def parts(annotation: Any) -> Iterator[Any]:
        yield get_origin(annotation) or annotation
        if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
            for part in get_args(annotation):
                yield from parts(part)

    return kind in parts(field.annotation)


def validate(raw: Any, where: str = "") -> Settings:
    """Check a resolved configuration against the schema.

    Args:
        raw: Sections of plain values.
        where: What to put before each line of the message.

    Raises:
        CayleyError: Something is missing, unknown or out of range; one line each.
    """
    try:
        return Settings.model_validate({"replace": False, **raw} if isinstance(raw, Mapping) else raw)
    except ValidationError as error:
        raise CayleyError("\n".join(where + line for line in explain(error, fields()))) from None


def partial(leaves: Mapping[str, Any]) -> Settings:
    """Make settings that hold some values only: what a stage may read.

    Args:
        leaves: Key of a value or a section → its plain JSON value, as :meth:`Settings.leaves` gives them.

    Returns:
        Settings whose values have the types of the schema. Sections are checked, and single values, but not what
        several sections have to do with each other. Reading any other key raises an ``AttributeError`` that names it.

    Raises:
        CayleyError: A key is unknown, or its value is out of range; one line each.

    Example:
        >>> partial({"train.steps": 4, "evaluate.shots": [8192, "inf"]}).evaluate.shots
        (8192, 'inf')
    """
    single: dict[str, dict[str, Any]] = {name: {} for name in sections()}
    whole: dict[str, Any] = {}
    known, lines = fields(), []
    for key, value in leaves.items():
        parent, _, name = key.rpartition(".")
        section = sections().get(parent) if parent else Settings
        if section is None or name not in section.model_fields:
            lines.append(f"unknown key '{key}'{nearest(key, [*Settings.model_fields, *known])}")
            continue
        try:
            (single[parent] if parent else whole)[name] = _adapter(section, name).validate_python(value)
        except ValidationError as error:
            lines += explain(error, known, key)
    if lines:
        raise CayleyError("\n".join(lines))
    parts = {name: section.model_construct(**single[name]) for name, section in sections().items()}
    return Settings.model_construct(**(parts | whole))


@cache
def _adapter(section: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """What checks the value of one key alone."""
    field = section.model_fields[name]
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def load_settings(path: str | Path) -> Settings:
    """Read a frozen ``config.yaml``, as :meth:`Settings.to_yaml` writes it.

    Raises:
        CayleyError: The file cannot be read, or is not a complete configuration.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        # Neither is ever written here: tags ask for other types, and aliases may unfold without end.
        if any(isinstance(token, (yaml.AliasToken, yaml.TagToken)) for token in yaml.scan(text)):
            raise ValueError("it has tags or aliases")
        raw = yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise CayleyError(f"cannot read the configuration {path}: {error}") from error
    if not isinstance(raw, Mapping):
        raise CayleyError(
            f"{path}: is not a configuration of keys and values; write it anew by running the stage again"
        )
    return validate(raw, where=f"{path}: ")
