"""Which stages there are, what each reads and writes, and which leaves of the configuration it may see.

The workflow's rules and the ``cayley`` command are both made from this table, so that they cannot disagree. A stage is
given only the leaves named here: it cannot read another one, and a change of another one does not run it again.
"""

from __future__ import annotations

from cayley_adapters.pipeline.analysis_stages import ANALYSIS_STAGES, GATHERING
from cayley_adapters.pipeline.lever_stages import LEVER_STAGES
from cayley_adapters.pipeline.map_stages import MAP_STAGES
from cayley_adapters.pipeline.qpu_stages import QPU_STAGES
from cayley_adapters.pipeline.stage import Stage

__all__ = ["STAGES", "maker_of", "stages_before"]

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (*MAP_STAGES, *QPU_STAGES, *GATHERING, *LEVER_STAGES, *ANALYSIS_STAGES)
}
"""Name → stage, each after those whose files it reads."""

_MAKERS = {pattern: name for name, stage in STAGES.items() for pattern in stage.outputs.values()}
_OPTIONAL = {"{device}": "qpu", "{ranking}": "ranking", "{exact}": "circuits", "{comparison}": ""}
"""Wildcards of inputs that are not always there, and the folder that they stand for."""


def maker_of(pattern: str) -> str | None:
    """The stage that writes the files of a path pattern; None where only a job knows."""
    for wildcard, folder in _OPTIONAL.items():
        pattern = pattern.replace(wildcard, folder)
    return _MAKERS.get(pattern)


def stages_before(stage: str, measured: bool = False) -> list[str]:
    """A stage and all that its inputs come from, in the order of the pipeline.

    Args:
        stage: its name.
        measured: whether a processor's results are among its inputs.
    """
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for pattern in STAGES[name].inputs.values():
            maker = maker_of(pattern)
            if maker and (measured or "{device}" not in pattern) and "{ranking}" not in pattern:
                waiting.append(maker)
    return [name for name in STAGES if name in found]
