"""Compare the maps of several models on one page."""

from __future__ import annotations

from cayley_adapters.analysis.transition_table import load_transition
from cayley_adapters.core.job import Job
from cayley_adapters.core.tables import read_cells
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures
from cayley_adapters.report.figures import COMPARE_MODELS
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``models.html``."""
    inputs = job.inputs
    maps = [
        (name, read_cells(cells), load_transition(transition))
        for name, cells, transition in zip(job.axes["model"], inputs["cells"], inputs["transitions"], strict=True)
    ]
    draw_figures(COMPARE_MODELS, job.outputs, {"models": maps})
    return Outcome()
