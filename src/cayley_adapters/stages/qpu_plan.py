"""Pack blocks on a processor, freeze what is to be measured, and tell what it costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from cayley_adapters.circuits.noise.backends import calibration_of
from cayley_adapters.circuits.noise.calibration import Calibration
from cayley_adapters.circuits.noise.calibration_files import save_calibration
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.windows import Windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.qpu.account import Account, account_of, bill_of, screen
from cayley_adapters.qpu.calls import calls_of
from cayley_adapters.qpu.cost import COST_COLUMNS, Cost, cost_table, paper_costs, preparations
from cayley_adapters.qpu.desk import jobs_of
from cayley_adapters.qpu.ledger import Ledger, ledger_path
from cayley_adapters.qpu.limits import check_limits
from cayley_adapters.qpu.lines import line_tradeoff
from cayley_adapters.qpu.packing import packing_on
from cayley_adapters.qpu.payload import Work
from cayley_adapters.qpu.sent import kept_calibration, kept_path
from cayley_adapters.qpu.service import calibration_date, repetition_delay
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
    service, backend = device_of(job, options)
    (calibration, date), sampling = _calibration(job, backend), sampling_of(options, settings.noise)
    model = DeviceModel(job, settings)
    n = qubits_that_hold(model.config.dimension)
    quality = options.quality
    packings = {spacing: packing_on(backend, calibration, n, spacing, quality) for spacing in ("dense", "sparse")}
    lines = packings[options.spacing][1]
    windows = model.windows(options.text, options.tokens)
    workload = _workload(options, model, windows, lines, backend.name)
    works = [work for _, work in jobs_of(workload, sampling, backend)]
    for work in works:
        check_limits(work, sampling.versions, sampling.pulses)

    limits = sampling.executions_per_circuit, sampling.executions_per_job, options.price_per_second
    groups = [len(blocks) for _, blocks in join_circuits(model.circuits).groups()]
    tokens = windows.tokens.shape[1] - 1
    rows = []
    for packing, _ in packings.values():
        for served, slices in ((tokens, tokens), (None, preparations(model.config.dimension))):
            rows.append(Cost(groups, served, slices, packing, *limits).row(Path(job.base).name))
    two = [packings[s][0] if n == 2 else packing_on(backend, calibration, 2, s, quality)[0] for s in packings]
    rows += paper_costs(two, sampling.executions_per_job, options.price_per_second)
    write_table(rows, outputs["plan"], COST_COLUMNS)

    tradeoff = pd.concat([line_tradeoff(calibration, n, sparse) for sparse in (False, True)], ignore_index=True)
    write_table(tradeoff, outputs["lines"], list(tradeoff))
    heading = _heading(options.backend, n)
    draw_figures(QPU_PLAN, outputs, {"lines": tradeoff, "heading": heading, "quality": quality})
    about = {"date": date, "repetition_delay": repetition_delay(backend), "lines": workload.lines}
    save_calibration(calibration, outputs["calibration"], about)
    workload.save(outputs["workload"])
    say(cost_table(rows))
    _tell(job, options, workload, works, account_of(calls_of(service, backend)) if service else None)
    return Outcome()


def _calibration(job: Job, backend: Any) -> tuple[Calibration, str]:
    """The processor's calibration and its date: the one by which jobs were sent before, else today's."""
    kept = kept_calibration(job.base, backend.name)
    today = calibration_date(backend)
    if kept is None:
        found = calibration_of(backend)
        for note in found.notes:
            say(f"{job.label}: {backend.name}: {note}")
        return found, today
    calibration, about = kept
    if about["date"] != today:
        say(
            f"{job.label}: lines are chosen by the calibration of {about['date']}, by which jobs were sent from "
            f"{job.base}, so that these are not paid again; to measure anew by that of {today}, delete "
            f"{kept_path(job.base, backend.name)}, and to measure on the same lines again, raise qpu.repetition"
        )
    return calibration, about["date"]


def _workload(
    options: Qpu, model: DeviceModel, windows: Windows, lines: tuple[tuple[int, ...], ...], backend: str
) -> Workload:
    if options.mode == "characterise":
        return characterise_workload(model.circuits, preparation_slices(model.config.dimension), lines, backend)
    if len(model.circuits) > 1:
        raise CayleyError(
            f"qpu.mode=per_token: runs one projection, and the model has blocks on {len(model.circuits)}; type "
            "qpu.targets=[o_proj] qpu.layers=[15], or qpu.mode=characterise"
        )
    [(name, circuits)] = model.circuits.items()
    return per_token_workload(name, circuits, model.slices(name, windows), lines, backend)


def _tell(job: Job, options: Qpu, workload: Workload, works: list[Work], account: Account | None) -> None:
    """Print what would be sent, who pays for it, and whether it will be sent."""
    jobs = f"{len(works)} job{'s' * (len(works) > 1)}"
    say(f"{job.label}: {len(workload)} pairs of slice and block on {len(workload.lines)} lines, in {jobs}")
    if account is None:
        say(f"{job.label}: with qpu.service=local they run here, and nothing is sent")
        return
    path = ledger_path(job.base)
    limits = {name: getattr(options, name) for name in ("max_seconds", "cap_factor", "price_per_second")}
    bill = bill_of(Ledger(path) if path.exists() else None, workload.backend, works, limits)
    say(screen(account, bill))
    if (needed := bill.spent + bill.caps) > options.max_seconds:
        say(
            f"{job.label}: that is more than qpu.max_seconds={options.max_seconds:g}, so it will not be sent; type "
            f"qpu.max_seconds={math.ceil(needed)} to allow it"
        )
    if account.left is not None and bill.caps > account.left:
        say(
            f"{job.label}: that is more than the {account.left:.0f} s that the plan has left in its period, so it will "
            "not be sent; lower qpu.shots, qpu.tokens or qpu.cap_factor, or use another instance"
        )


def _heading(backend: str, n: int) -> str:
    return f"{backend}, lines of {n} qubit{'s' if n > 1 else ''}"
