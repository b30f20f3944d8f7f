"""What the transition follows from: tables and pictures of gain, cost, its collapse, and the noise budget."""

from __future__ import annotations

import pandas as pd

from cayley_adapters.analysis.transition_table import TRANSITION_COLUMNS, load_transition, transition_rows
from cayley_adapters.circuits.noise.budget import BUDGET_COLUMNS, model_circuits, read_budgets
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import read_cells, write_table
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.drawing import draw_figures, files_of, pictures_of
from cayley_adapters.report.figures import SCALING
from cayley_adapters.report.names import model_title
from cayley_adapters.report.wandb.tracked import TrackedRun, figure_files
from cayley_adapters.report.words import shots_text
from cayley_adapters.settings import Settings
from cayley_adapters.stages.common import device_noise

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``transition.csv``, ``noise_budget.csv`` and their pictures."""
    inputs, outputs, backend = job.inputs, job.outputs, settings.noise.backend
    result = load_transition(inputs["transition"][0])
    rows = transition_rows(result)
    table = write_table(rows, outputs["table"], TRANSITION_COLUMNS)
    budgets = read_budgets(inputs["budgets"])
    write_table(budgets, outputs["budget"], BUDGET_COLUMNS)
    circuits = model_circuits(budgets, device_noise(settings.noise), settings.train.ansatz)
    model = str(read_cells(inputs["cells"][0])["model"].iloc[0])
    readout = READOUTS[result["readout"]].title
    heading = f"{model_title(model)} on {backend}, {readout} readout, {shots_text(result['shots'])}"
    costs = budgets.dropna(subset="cost")
    means = costs.groupby(["compression_ratio", "qubits", "source"], as_index=False)[["cost", "cost_se"]].mean()
    gains = pd.DataFrame(rows, columns=["compression_ratio", "qubits", "gain"]).dropna()
    given = {"transition": result, "noise_budget": budgets, "costs": means, "gains": gains, "circuits": circuits}
    draw_figures(SCALING, outputs, given | {"model": model, "heading": heading})
    for entry in result["scaling"]["collapse"]:
        verdict = "one curve" if entry["holds"] else "no single curve"
        say(f"cost over {entry['x']}: {verdict}, scatter by a factor of {entry['residual_factor']:.2f}")
    tracked = TrackedRun(
        "scaling",
        "scaling",
        {"model": model, "cell": "map", "noise": job.leaves["noise"]},
        summary={f"collapse/{entry['x']}": entry["residual_factor"] for entry in result["scaling"]["collapse"]},
        tables={"transition_table": table, "noise_budget_table": budgets},
        pictures=pictures_of(SCALING, outputs),
        made=[figure_files("scaling", *files_of(SCALING, outputs))],
    )
    return Outcome(tracked=[tracked])
