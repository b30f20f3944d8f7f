"""Settings of some values only, as a stage gets them: typed, checked, and plain about what they do not hold."""

from __future__ import annotations

from typing import Any

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import Settings, compose, fields, partial


@pytest.fixture(scope="module")
def full() -> Settings:
    return compose("quickstart", ["evaluate.shots=[8192,inf]", "noise.layout=[[3,4,5],[7,8,9]]"])[0]


def read(settings: Settings, dotted: str) -> Any:
    value: Any = settings
    for part in dotted.split("."):
        value = getattr(value, part)
    return value


def test_every_value_and_section_alone_is_what_the_whole_configuration_has(full: Settings) -> None:
    for key in [*fields(), *Settings.model_fields]:
        some = full.only(key)
        assert read(some, key) == read(full, key), key
        assert type(read(some, key)) is type(read(full, key)), key
        assert some.leaves(key) == full.leaves(key), key
        assert partial(some.leaves(key)) == some, key


def test_what_was_not_named_cannot_be_read(full: Settings) -> None:
    for key in fields():
        others = full.only(*(other for other in fields() if other != key))
        with pytest.raises(AttributeError) as caught:
            read(others, key)
        assert str(caught.value) == f"this stage may not read {key}; name it among its leaves in pipeline/*_stages.py"
        with pytest.raises(AttributeError, match="this stage may not read"):
            others.leaf(key)
        assert not hasattr(others, key)


def test_values_have_the_types_of_the_schema() -> None:
    some = partial({"evaluate.shots": [8192, "inf"], "sweep.block_dim": [4, 2], "model.name": "x", "train.steps": 1e3})
    assert some.evaluate.shots == (8192, "inf")
    assert some.sweep.block_dim == (2, 4)
    assert (some.model.name, some.train.steps) == ("x", 1000)
    assert isinstance(some, Settings)


def test_a_section_without_a_named_value_holds_nothing(full: Settings) -> None:
    some = full.only("train", "evaluate.windows", "run")
    assert some.train == full.train
    assert (some.run, some.evaluate.windows) == (full.run, full.evaluate.windows)
    with pytest.raises(AttributeError, match=r"may not read questions\.shots;"):
        _ = some.questions.shots
    with pytest.raises(AttributeError, match="may not read experiment;"):
        _ = some.experiment
    with pytest.raises(AttributeError, match="no attribute 'stepz'"):
        _ = some.train.stepz  # type: ignore[attr-defined]
    assert some.leaf("evaluate") == {"windows": full.evaluate.windows}


@pytest.mark.parametrize(
    ("leaves", "lines"),
    [
        ({"train.stepz": 1}, ["unknown key 'train.stepz'; did you mean 'train.steps'?"]),
        ({"trian": {}}, ["unknown key 'trian'; did you mean 'train'?"]),
        ({"a.b.c": 1, "": 1}, ["unknown key 'a.b.c'", "unknown key ''"]),
        (
            {"train.steps": -3, "evaluate.executor": "noisi"},
            [
                "train.steps=-3: must be a whole number between 0 and 10000000",
                "evaluate.executor=noisi: must be one of noisy, aer; did you mean 'noisy'?",
            ],
        ),
        ({"track": {"mode": "offline", "project": "p"}}, ["track.entity: is missing"]),
        ({"track": 3}, ["track=3: must be a section of keys and values"]),
        ({"run": "a b"}, ["run=a b: must begin with a letter or digit"]),
    ],
)
def test_wrong_leaves_are_named(leaves: dict[str, Any], lines: list[str]) -> None:
    with pytest.raises(CayleyError) as caught:
        partial(leaves)
    said = str(caught.value).splitlines()
    assert len(said) == len(lines)
    assert [line for line, start in zip(said, lines, strict=True) if not line.startswith(start)] == [], said
