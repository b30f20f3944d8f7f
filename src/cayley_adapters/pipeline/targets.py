"""What can be asked of the workflow: its targets, and the stages whose files each asks for."""

from __future__ import annotations

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.pipeline.table import stages_before

__all__ = ["TARGETS", "require_target", "target_of"]

MAP = ("configure", "compare_circuits", "aggregate", "phase_diagram", "scaling", "recovery")
TARGETS: dict[str, tuple[str, ...]] = {
    "phase_diagram": (*MAP, "compare"),
    "report": ("report",),
    "dashboard": (*MAP, "dashboard"),
    "questions": ("configure", "questions"),
    "benchmarks": ("configure", "benchmarks"),
    "entanglement": ("entanglement",),
    "qpu": (*MAP, "qpu_evaluate"),
    "levers": (*MAP, "levers"),
}
"""Target of the workflow → the stages whose files it asks for."""

_SUMMARIES = ("report", "dashboard")
"""Targets that ask for nearly everything: none of them is needed for a single stage before them."""


def require_target(name: str) -> None:
    """Refuse what is no target.

    Raises:
        CayleyError: the message has the nearest, and all.
    """
    if name not in TARGETS:
        raise CayleyError(f"unknown target '{show(name)}'{suggest(name, TARGETS)}")


def target_of(stage: str) -> str:
    """The target that runs a stage, and as little else as there is.

    Example:
        >>> target_of("train"), target_of("answer_questions"), target_of("qpu_collect")
        ('phase_diagram', 'questions', 'qpu')
    """
    if stage in _SUMMARIES:
        return stage
    for name in (name for name in TARGETS if name not in _SUMMARIES):
        if any(
            stage in stages_before(last, () if name == "qpu" else ("device",), healed=True) for last in TARGETS[name]
        ):
            return name
    return "levers"  # what ranks projections for them, which the table leaves to each lever
