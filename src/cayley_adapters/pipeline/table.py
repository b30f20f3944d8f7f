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

__all__ = ["STAGES"]

STAGES: dict[str, Stage] = {
    stage.name: stage for stage in (*MAP_STAGES, *QPU_STAGES, *GATHERING, *LEVER_STAGES, *ANALYSIS_STAGES)
}
"""Name → stage, each after those whose files it reads."""
