"""Which stages there are, what each reads and writes, and which leaves of the configuration it may see.

The workflow's rules and the ``cayley`` command are both made from this table, so that they cannot disagree. A stage is
given only the leaves named here: it cannot read another one, and a change of another one does not run it again.
"""

from __future__ import annotations

from collections.abc import Collection

from cayley_adapters.pipeline.analysis_stages import ANALYSIS_STAGES, GATHERING
from cayley_adapters.pipeline.lever_stages import LEVER_STAGES
from cayley_adapters.pipeline.map_stages import MAP_STAGES
from cayley_adapters.pipeline.paths import COMPRESSED, HEALED
from cayley_adapters.pipeline.qpu_stages import QPU_STAGES
from cayley_adapters.pipeline.stage import Stage

__all__ = ["STAGES", "inputs_of", "maker_of", "stages_before"]

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (*MAP_STAGES, *QPU_STAGES, *GATHERING, *LEVER_STAGES, *ANALYSIS_STAGES)
}
"""Name → stage, each after those whose files it reads."""

_HEALED = {COMPRESSED[name]: HEALED[name] for name in COMPRESSED}
_MAKERS = {pattern: name for name, stage in STAGES.items() for pattern in stage.outputs.values()}
_OPTIONAL = {
    "{device}": "qpu",
    "{ranking}": "ranking",
    "{exact}": "circuits",
    "{rates}": "rates",
    "{tried}": "rates",
    "{comparison}": "",
}
"""Wildcards of inputs that are not always there, and the folder that they stand for."""

_NOT_ALWAYS = ("device", "rates", "tried")


def maker_of(pattern: str) -> str | None:
    """The stage that writes the files of a path pattern; None where only a job knows."""
    for wildcard, folder in _OPTIONAL.items():
        pattern = pattern.replace(wildcard, folder)
    return _MAKERS.get(pattern)


def inputs_of(stage: str, healed: bool = False) -> dict[str, str]:
    """What a stage reads: name → path pattern.

    Args:
        stage: its name.
        healed: whether a healed model takes the compressed one's place, in all but the stage that heals it.
    """
    read = dict(STAGES[stage].inputs)
    return {name: _HEALED.get(path, path) for name, path in read.items()} if healed and stage != "heal" else read


def stages_before(stage: str, absent: Collection[str] = _NOT_ALWAYS, healed: bool = False) -> list[str]:
    """A stage and all that its inputs come from, in the order of the pipeline.

    Args:
        stage: its name.
        absent: wildcards of inputs that are not there: ``device`` of a processor's results, ``rates`` and ``tried`` of
            step sizes that are given.
        healed: whether models are healed.
    """
    found: set[str] = set()
    waiting = [stage]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for pattern in inputs_of(name, healed).values():
            maker = maker_of(pattern)
            if maker and not any(f"{{{axis}}}" in pattern for axis in ("ranking", *absent)):
                waiting.append(maker)
    return [name for name in STAGES if name in found]
