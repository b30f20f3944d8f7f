"""Where in a results folder each stage's files lie: name → path pattern, with the axes of the sweep as wildcards."""

from __future__ import annotations

from cayley_adapters.report.figures import FIGURES
from cayley_adapters.report.result_tables import TABLES as TABLES_SHOWN

__all__ = [
    "ADAPTER",
    "ANSWERS",
    "BASELINE",
    "BENCHMARKED",
    "CELL",
    "CIRCUITS",
    "COMPRESSED",
    "CONTROL",
    "CONTROL_ADAPTER",
    "CONTROL_RATE",
    "CONTROL_ROW",
    "CONTROL_TRIALS",
    "COUNTS",
    "DEVICE_RESULTS",
    "EVALUATION",
    "EXACT_CIRCUITS",
    "HEALED",
    "IDENTITY",
    "PREPARED",
    "PROVENANCE",
    "QUESTION_SET",
    "RANKING",
    "RATE",
    "REFERENCE",
    "REPORTED",
    "SUBMITTED",
    "TABLES",
    "TEACHER",
    "TRANSITION",
    "TRIALS",
    "WORKLOAD",
]

CELL = "{ratio}/{block}/{seed}"
PREPARED = {"model": "{base}/prepared/model.json", "tokens": "{base}/prepared/tokens.safetensors"}
COMPRESSED = {
    "compressed": "{base}/compressed/{ratio}/model.safetensors",
    "compression": "{base}/compressed/{ratio}/compression.json",
}
HEALED = {
    "compressed": "{base}/healed/{ratio}/model.safetensors",
    "compression": "{base}/healed/{ratio}/compression.json",
}
"""The same of the healed model, which takes the compressed one's place."""

ADAPTER = {
    "adapter": f"{{base}}/adapters/{CELL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/adapters/{CELL}/adapter_config.json",
}
CIRCUITS = {
    "angles": f"{{base}}/circuits/{CELL}/angles.safetensors",
    "blocks": f"{{base}}/circuits/{CELL}/blocks.csv",
}
EVALUATION = {
    "cells": f"{{base}}/evaluations/{CELL}/cells.csv",
    "losses": f"{{base}}/evaluations/{CELL}/losses.safetensors",
    "budget": f"{{base}}/evaluations/{CELL}/noise_budget.csv",
}
IDENTITY = {"identity": "{base}/identities/{ratio}/{block}/cells.csv"}
"""What blocks that have learnt nothing do, in the same circuits."""

CONTROL = "{ratio}/{control}/{seed}"
CONTROL_ADAPTER = {
    "adapter": f"{{base}}/controls/{CONTROL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/controls/{CONTROL}/adapter_config.json",
}
REFERENCE = {
    "row": "{base}/baselines/uncompressed/baselines.csv",
    "losses": "{base}/baselines/uncompressed/losses.safetensors",
}
BASELINE = {
    "row": "{base}/baselines/{ratio}/compressed/baselines.csv",
    "losses": "{base}/baselines/{ratio}/compressed/losses.safetensors",
}
CONTROL_ROW = {
    "row": f"{{base}}/baselines/{CONTROL}/baselines.csv",
    "losses": f"{{base}}/baselines/{CONTROL}/losses.safetensors",
}
EXACT_CIRCUITS = {"exact": f"{{base}}/{{exact}}/{CELL}/angles.safetensors"}
"""The exact circuits, where those wanted are longer versions of them."""

RANKING = {"ranking": "{base}/{ranking}/ranking.csv"}
"""Projections by gain and cost, where blocks act on the best-ranked."""

RATE = {"rate": "{base}/{rates}/{ratio}/{block}/rate.json"}
TRIALS = {"trials": "{base}/{rates}/{ratio}/{block}/trials.csv"}
CONTROL_RATE = {"rate": "{base}/{tried}/{ratio}/{control}/rate.json"}
CONTROL_TRIALS = {"trials": "{base}/{tried}/{ratio}/{control}/trials.csv"}
"""Step sizes that were chosen, and all that were tried, where none is given."""

WORKLOAD = {"workload": "{base}/qpu/workload.safetensors", "calibration": "{base}/qpu/calibration.json"}
SUBMITTED = {"submitted": "{base}/qpu/submitted.json"}
COUNTS = {"counts": "{base}/qpu/counts.safetensors"}
DEVICE_RESULTS = {
    "cells": "{base}/qpu/cells.csv",
    "inference": "{base}/qpu/inference.csv",
    "modes": "{base}/qpu/modes.csv",
}
TEACHER = {"targets": "{base}/teacher/targets.safetensors"}
TABLES = {
    "cells": "{base}/phase_diagram.csv",
    "baselines": "{base}/baselines.csv",
    "manifest": "{base}/adapters/manifest.csv",
}
PROVENANCE = {"provenance": "{base}/provenance.json"}
QUESTION_SET = {"questions": "{base}/questions/items.jsonl", "about": "{base}/questions/set.json"}
ANSWERS = {
    "arms": "{base}/questions/arms.csv",
    "answers": "{base}/questions/answers.safetensors",
    "texts": "{base}/questions/texts.csv",
}
BENCHMARKED = {
    "models": "{base}/benchmarks/models.csv",
    "results": "{base}/benchmarks/results.json",
    "scores": "{base}/benchmarks/scores.csv",
    "documents": "{base}/benchmarks/documents.csv",
    "draws": "{base}/benchmarks/draws.csv",
}
"""What models answered to benchmarks: the harness's own results, and what each got for each document."""

TRANSITION = {"transition": "{base}/transition.json"}
_WHERE_MADE = {"{base}/qpu/": "{base}/{device}/", "{base}/levers": "{base}/{comparison}levers"}
"""Of files that some runs lack: their place, with an axis that has no value in such a run."""


def _reported(path: str) -> str:
    for place, axis in _WHERE_MADE.items():
        path = path.replace(place, axis)
    return path


REPORTED = {
    name: _reported(path)
    for shown in (*FIGURES.values(), *TABLES_SHOWN.values())
    if shown.section
    for name, path in (shown.paths() | shown.more_paths()).items()
    if not path.endswith(".html")
}
"""Files that the report shows or reads, see :mod:`cayley_adapters.report.figures`."""
