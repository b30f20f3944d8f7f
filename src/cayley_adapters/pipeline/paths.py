"""Where in a results folder each stage's files lie: name → path pattern, with the axes of the sweep as wildcards."""

from __future__ import annotations

__all__ = [
    "ADAPTER",
    "ANSWERS",
    "CELL",
    "CIRCUITS",
    "COMPRESSED",
    "CONTROL",
    "CONTROL_ADAPTER",
    "CONTROL_ROW",
    "COUNTS",
    "DEVICE_ADAPTER",
    "DEVICE_REPORTED",
    "DEVICE_RESULTS",
    "EVALUATION",
    "LEVERS_REPORTED",
    "PREPARED",
    "PROVENANCE",
    "QPU_ADAPTER",
    "QUESTION_SET",
    "REPORTED",
    "SUBMITTED",
    "TABLES",
    "TEACHER",
    "TRANSITION",
    "WORKLOAD",
]

CELL = "{ratio}/{block}/{seed}"
PREPARED = {"model": "{base}/prepared/model.json", "tokens": "{base}/prepared/tokens.safetensors"}
COMPRESSED = {
    "compressed": "{base}/compressed/{ratio}/model.safetensors",
    "compression": "{base}/compressed/{ratio}/compression.json",
}
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
CONTROL = "{ratio}/{control}/{seed}"
CONTROL_ADAPTER = {
    "adapter": f"{{base}}/controls/{CONTROL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/controls/{CONTROL}/adapter_config.json",
}
CONTROL_ROW = {
    "row": f"{{base}}/controls/{CONTROL}/baselines.csv",
    "losses": f"{{base}}/controls/{CONTROL}/losses.safetensors",
}
QPU_ADAPTER = {
    "adapter": f"{{base}}/qpu/adapters/{CELL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/qpu/adapters/{CELL}/adapter_config.json",
}
DEVICE_ADAPTER = {
    "adapter": f"{{base}}/{{adapters}}/{CELL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/{{adapters}}/{CELL}/adapter_config.json",
}
"""What goes to the processor: the map's adapter (``adapters``), or one trained for it (``qpu/adapters``)."""

WORKLOAD = {"workload": "{base}/qpu/workload.safetensors", "calibration": "{base}/qpu/calibration.json"}
SUBMITTED = {"submitted": "{base}/qpu/submitted.json"}
COUNTS = {"counts": "{base}/qpu/counts.safetensors"}
DEVICE_RESULTS = {
    "cells": "{base}/qpu/cells.csv",
    "inference": "{base}/qpu/inference.csv",
    "modes": "{base}/qpu/modes.csv",
}
TEACHER = {"targets": "{base}/prepared/teacher.safetensors"}
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
TRANSITION = {"transition": "{base}/transition.json"}
REPORTED = (
    "transition.json",
    *(
        f"{name}.csv"
        for name in (
            *("phase_diagram", "transition", "baselines", "recovery", "recovery_differences", "noise_budget"),
            *("circuits", "questions", "question_comparisons", "question_flips", "question_samples"),
            *("entanglement", "entanglement_differences"),
        )
    ),
    *(
        f"{name}.{kind}"
        for name in ("phase_diagram", "transition", "recovery", "noise_budget", "questions", "entanglement")
        for kind in ("png", "svg")
    ),
)
"""Files that the report shows; in which of its sections, report/sections.py says."""

LEVERS_REPORTED = ("csv", "json", "png", "svg")
"""Endings of the comparison of levers that the report shows, where levers are measured."""

DEVICE_REPORTED = ("inference.csv", "modes.csv", "plan.csv", "lines.png", "lines.svg")
"""Files of a processor's run that the report shows, once they are there."""
