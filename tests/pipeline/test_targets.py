"""The table of targets says what the Snakefile has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.targets import TARGETS, require_target, target_of

SNAKEFILE = (Path(__file__).parents[2] / "Snakefile").read_text(encoding="utf-8")


def test_targets_are_the_rules_of_the_snakefile() -> None:
    assert list(TARGETS) == re.findall(r"^rule (\w+):", SNAKEFILE, re.M)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_part_of_a_target(stage: str) -> None:
    assert target_of(stage) in TARGETS


@pytest.mark.parametrize(
    ("stage", "target"),
    [
        ("prepare", "phase_diagram"),
        ("compress", "phase_diagram"),
        ("compare", "phase_diagram"),
        ("question_set", "questions"),
        ("questions", "questions"),
        ("ask_benchmarks", "benchmarks"),
        ("entanglement", "entanglement"),
        ("qpu_submit", "qpu"),
        ("levers", "levers"),
        ("report", "report"),
        ("dashboard", "dashboard"),
    ],
)
def test_a_stage_is_made_by_the_target_that_asks_for_least(stage: str, target: str) -> None:
    assert target_of(stage) == target


def test_an_unknown_target_is_answered_with_the_nearest() -> None:
    with pytest.raises(CayleyError, match="unknown target 'phase_digram'; did you mean 'phase_diagram'"):
        require_target("phase_digram")
