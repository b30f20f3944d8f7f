"""Every numeric option of the schema, a new one too, at its bounds, around them, and with what is no number."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose, fields, validate
from cayley_adapters.settings.block_dims import LARGEST_BLOCK
from cayley_adapters.settings.fields import MOST_SHOTS, Between

BASE = compose("ci")[0].model_dump(mode="json")

# What another check asks for beside a value, so that the option's own is seen.
BESIDE: dict[str, dict[str, Any]] = {
    "qpu.shots": {"qpu.executions_per_job": 10_000_000},
    "qpu.executions_per_job": {"qpu.shots": 1},
    "questions.limit": {"questions.chosen": []},
    "questions.chosen": {"questions.limit": None},
    "sweep.block_dim": {"sweep.noise_scale": [0], "evaluate.mitigation": "none"},
    "heal.distillation": {"heal.cross_entropy": 1},
    "evaluate.context": {"data.window": 32768},
    "control.block_dims": {"control.methods": ["lora"]},
    "train.warmup_steps": {"train.steps": 10_000_000},
    "train.distillation": {"train.cross_entropy": 1},
    "noise.sx_error": {"noise.cz_error": 0.01, "noise.readout_error": 0.01},
    "noise.cz_error": {"noise.sx_error": 0.01, "noise.readout_error": 0.01},
    "noise.readout_error": {"noise.sx_error": 0.01, "noise.cz_error": 0.01},
}


def marks(annotation: Any) -> Iterator[Any]:
    """All that is said about the parts of a type."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from marks(part)


def ranges() -> dict[str, tuple[Between, bool]]:
    """Key → its range, and whether its values are whole numbers."""
    found = {}
    for key, field in fields().items():
        for mark in [*field.metadata, *marks(field.annotation)]:
            if isinstance(mark, Between):
                found[key] = mark, "int" in str(field.annotation)
    return found


RANGES = ranges()


def change(key: str, value: Any) -> None:
    """Check the settings with one value changed; a list where the option is an axis."""
    raw = copy.deepcopy(BASE)
    for name, other in {**BESIDE.get(key, {}), key: value}.items():
        section, _, leaf = name.partition(".")
        raw[section][leaf] = [other] if isinstance(raw[section][leaf], list) and name == key else other
    if key == "sweep.noise_scale" and value != 0:
        raw["sweep"]["noise_scale"] = [0, value]
    chosen = ("qpu.compression_ratio", "questions.compression_ratio", "benchmarks.compression_ratio")
    if key in chosen and isinstance(value, float) and 0 <= value < 1:
        raw["sweep"]["compression_ratio"] = [value]
    validate(raw)


def around(low: float, high: float, whole: bool) -> tuple[list[float], list[float]]:
    """Values just inside a range, and just outside of it."""
    if whole:
        return [low, low + 1, high - 1, high], [low - 1, high + 1]
    low, high = float(low), float(high)
    inside = [low, math.nextafter(low, high), math.nextafter(high, low), high]
    return inside, [math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]


def test_the_schema_has_all_its_ranges() -> None:
    assert len(RANGES) >= 45
    assert {"train.steps", "sweep.noise_scale", "qpu.quality", "model.seed"} <= set(RANGES)


@pytest.mark.parametrize("key", [key for key in RANGES if key != "model.seed"])
def test_values_at_the_bounds_are_taken_and_those_beyond_refused(key: str) -> None:
    mark, whole = RANGES[key]
    inside, outside = around(mark.low, mark.high, whole)
    if mark.above:
        outside.append(inside.pop(0))
    if mark.below:
        outside.append(inside.pop())
    for value in inside:
        change(key, value)
    for value in [*outside, math.nan, math.inf, -math.inf, "1", "many", True, [], {"a": 1}, *([0.5] if whole else [])]:
        with pytest.raises(CayleyError) as caught:
            change(key, value)
        assert str(caught.value).startswith(f"{key}="), (value, str(caught.value))
        assert mark.allowed in str(caught.value) or "must have at least one value" in str(caught.value)


def test_a_seed_of_weights_belongs_to_random_ones() -> None:
    mark, _ = RANGES["model.seed"]
    for value in (mark.low, mark.high):
        change("model.seed", value)
    for value in (mark.low - 1, mark.high + 1, math.nan, math.inf, True, "0"):
        with pytest.raises(CayleyError, match=r"model\.seed=.*between 0 and 4294967295"):
            change("model.seed", value)


@pytest.mark.parametrize("key", ["sweep.block_dim", "evaluate.unlimited_shots_block_dims", "control.block_dims"])
def test_block_dimensions(key: str) -> None:
    for value in (2, 4, 8, 16):
        change(key, value)
    for value in (1, LARGEST_BLOCK + 1, 0, -2, 2.5, math.nan, math.inf, "2", True, None):
        with pytest.raises(CayleyError, match=f"{key}=.*between 2 and {LARGEST_BLOCK}"):
            change(key, value)


@pytest.mark.parametrize("key", ["evaluate.shots", "questions.shots"])
def test_shots(key: str) -> None:
    for value in (1, MOST_SHOTS, "inf", math.inf):
        change(key, value)
    for value in (0, -1, MOST_SHOTS + 1, 0.5, math.nan, -math.inf, True, "many", None):
        with pytest.raises(CayleyError, match=f"{key}=.*between 1 and {MOST_SHOTS}, or inf"):
            change(key, value)


@pytest.mark.parametrize("typed", ["nan", "inf", "-inf", "1e999"])
def test_what_is_typed_as_no_finite_number_is_refused(typed: str) -> None:
    for key in RANGES:
        with pytest.raises(CayleyError, match=f"{key}="):
            compose("ci", [f"{key}={typed}"])
