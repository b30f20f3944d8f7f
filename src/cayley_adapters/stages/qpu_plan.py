"""Pack blocks on a processor, freeze what is to be measured, and tell what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cayley_adapters.circuits.noise.calibration import Calibration, calibration_of
from cayley_adapters.circuits.noise.calibration_files import save_calibration
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.corpus import Windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.qpu.cost import COST_COLUMNS, Cost, cost_table, paper_costs, preparations
from cayley_adapters.qpu.lines import line_tradeoff
from cayley_adapters.qpu.packing import packing_on
from cayley_adapters.qpu.sent import kept_calibration, kept_path
from cayley_adapters.qpu.workload import Workload, characterise_workload, join_circuits, per_token_workload
from cayley_adapters.report.drawing import draw_figures
from cayley_adapters.report.figures import QPU_PLAN
from cayley_adapters.settings import Settings
from cayley_adapters.settings.qpu import Qpu
from cayley_adapters.simulation.measurement import preparation_slices
from cayley_adapters.stages.device_desk import device_of, sampling_of
from cayley_adapters.stages.device_model import DeviceModel

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the workload, the calibration it is planned for, its cost in every mode, and the choice of lines."""
    outputs, options = job.outputs, settings.qpu
    backend = device_of(job, options)[1]
    (calibration, date), sampling = _calibration(job, backend), sampling_of(options)
    model = DeviceModel(job, settings)
    n = model.config.block_dim.bit_length() - 1
    quality = options.quality
    packings = {spacing: packing_on(backend, calibration, n, spacing, quality) for spacing in ("dense", "sparse")}
    lines = packings[options.spacing][1]
    windows = model.windows(options.text, options.tokens)
    workload = _workload(options, model, windows, lines, backend.name)

    limits = sampling.executions_per_circuit, sampling.executions_per_job, options.price_per_second
    groups = [len(blocks) for _, blocks in join_circuits(model.circuits).groups()]
    tokens = windows.tokens.shape[1] - 1
    rows = []
    for packing, _ in packings.values():
        for served, slices in ((tokens, tokens), (None, preparations(model.config.block_dim))):
            rows.append(Cost(groups, served, slices, packing, *limits).row(Path(job.base).name))
    two = [packings[s][0] if n == 2 else packing_on(backend, calibration, 2, s, quality)[0] for s in packings]
    rows += paper_costs(two, sampling.executions_per_job, options.price_per_second)
    write_table(rows, outputs["plan"], COST_COLUMNS)

    tradeoff = pd.concat([line_tradeoff(calibration, n, sparse) for sparse in (False, True)], ignore_index=True)
    write_table(tradeoff, outputs["lines"], list(tradeoff))
    heading = _heading(options.backend, n)
    draw_figures(QPU_PLAN, outputs, {"lines": tradeoff, "heading": heading, "quality": quality})
    about = {"date": date, "repetition_delay": backend.default_rep_delay, "lines": workload.lines}
    save_calibration(calibration, outputs["calibration"], about)
    workload.save(outputs["workload"])
    _tell(job, options, rows, workload)
    return Outcome()


def _calibration(job: Job, backend: Any) -> tuple[Calibration, str]:
    """The processor's calibration and its date: the one by which jobs were sent before, else today's."""
    kept = kept_calibration(job.base, backend.name)
    today = str(backend.properties().last_update_date)
    if kept is None:
        return calibration_of(backend), today
    calibration, about = kept
    if about["date"] != today:
        say(
            f"{job.label}: lines are chosen by the calibration of {about['date']}, by which jobs were sent from "
            f"{job.base}, so that these are not paid again; to measure anew by that of {today}, give another run=NAME, "
            f"or delete {kept_path(job.base, backend.name)}"
        )
    return calibration, about["date"]


def _workload(
    options: Qpu, model: DeviceModel, windows: Windows, lines: tuple[tuple[int, ...], ...], backend: str
) -> Workload:
    if options.mode == "characterise":
        return characterise_workload(model.circuits, preparation_slices(model.config.block_dim), lines, backend)
    if len(model.circuits) > 1:
        raise CayleyError(
            f"qpu.mode=per_token: runs one projection, and the model has blocks on {len(model.circuits)}; type "
            "qpu.targets=[o_proj] qpu.layers=[15], or qpu.mode=characterise"
        )
    [(name, circuits)] = model.circuits.items()
    return per_token_workload(name, circuits, model.slices(name, windows), lines, backend)


def _tell(job: Job, options: Qpu, rows: list[dict[str, Any]], workload: Workload) -> None:
    """Print the table, and what would be sent."""
    say(cost_table(rows))
    [mine] = [
        row
        for row in rows
        if row["workload"] == Path(job.base).name and (row["mode"], row["spacing"]) == (options.mode, options.spacing)
    ]
    jobs = f"{mine['jobs']} job{'s' * (mine['jobs'] > 1)}"
    say(
        f"{job.label}: {len(workload)} pairs of slice and block in {mine['circuits']} circuits on "
        f"{len(workload.lines)} lines of {workload.backend}, {mine['executions']:,} executions in {jobs}, "
        f"about {mine['seconds']:.0f} s of the processor, {mine['price_usd']:.2f} US dollars at its list price"
    )
    if mine["seconds"] > options.max_seconds:
        say(
            f"{job.label}: that is more than qpu.max_seconds={options.max_seconds:g}, so it will not be "
            f"sent; type qpu.max_seconds={mine['seconds'] + 1:.0f} to allow it"
        )


def _heading(backend: str, n: int) -> str:
    return f"{backend}, lines of {n} qubit{'s' if n > 1 else ''}"
