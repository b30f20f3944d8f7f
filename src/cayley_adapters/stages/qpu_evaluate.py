"""Perplexity with what a processor measured, beside exact arithmetic, the simulator, and the model without blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cayley_adapters.adapters.cayley.model import set_executor
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.gates import circuit_summary
from cayley_adapters.circuits.noise.calibration_files import load_calibration
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import CELL_COLUMNS, write_table
from cayley_adapters.models.losses import perplexity_row, token_losses
from cayley_adapters.models.windows import Windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.qpu.agreement import chi_square
from cayley_adapters.qpu.counts import load_counts
from cayley_adapters.qpu.execution import executor_of, frequencies, predicted
from cayley_adapters.qpu.lines import disjoint_lines
from cayley_adapters.qpu.modes import MODE_COLUMNS, mode_rows
from cayley_adapters.qpu.workload import Workload, load_workload
from cayley_adapters.report.wandb.tracked import TrackedRun
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.executors import ExactExecutor
from cayley_adapters.simulation.measurement import sample
from cayley_adapters.stages.common import base_model, evaluation_windows, method_of
from cayley_adapters.stages.device_desk import sampling_of
from cayley_adapters.stages.device_model import DeviceModel

__all__ = ["run"]

INFERENCE_COLUMNS = [
    *("arm", "executor", "readout", "noise_scale", "shots", "mitigation", "tokens", "nll", "nll_se", "perplexity"),
    *("nll_sd_shots", "draws", "chi_square", "degrees", "p_value"),
]
DRAWS = 5
"""Simulated runs with the processor's number of shots: their spread is what shots alone do."""


def run(job: Job, settings: Settings) -> Outcome:
    """Write the perplexity of each arm, the processor's row of the map, and what each mode costs and errs."""
    inputs, outputs, options = job.inputs, job.outputs, settings.qpu
    workload, (calibration, _) = load_workload(inputs["workload"][0]), load_calibration(inputs["calibration"][0])
    sampling = sampling_of(options, settings.noise)
    counts = load_counts(inputs["counts"][0], workload, sampling)
    noise, model = sampling.noise(calibration, workload.lines), DeviceModel(job, settings)
    projection = next(iter(workload.projections))
    slices = model.slices(projection, model.windows(options.text, options.tokens))
    workload.check(options.mode, model.circuits, slices)
    windows = _windows(job, settings, model)
    progress, rows = Progress(job.label), []

    def losses(executor: Any) -> np.ndarray:
        set_executor(model.model, executor)
        return _losses(settings, model.model, windows)

    for arm, found in _arms(job, settings, model, workload, counts, noise, losses, windows):
        rows.append(arm | perplexity_row(found, windows))
        progress(len(rows), 7, f"{arm['arm']}: perplexity {rows[-1]['perplexity']:.4g}")
    known = {row["arm"]: row for row in rows}
    write_table(rows, outputs["inference"], INFERENCE_COLUMNS)

    n = qubits_that_hold(model.config.dimension)
    lines = disjoint_lines(calibration, n, options.quality, options.spacing == "sparse")
    table = mode_rows(projection, model.blocks, model.circuits, slices, lines, noise, sampling)
    write_table(table, outputs["modes"], MODE_COLUMNS)
    write_table([_cell(job, settings, model, workload, known)], outputs["cells"], CELL_COLUMNS)
    for row in rows:
        say(f"{row['arm']:>24}  perplexity {row['perplexity']:.4f}")
    return Outcome(tracked=[_tracked(job, rows)])


def _windows(job: Job, settings: Settings, model: DeviceModel) -> Windows:
    """The text; maps that were measured once serve all the test windows of the map."""
    options = settings.qpu
    if options.mode == "characterise" and options.text is None:
        return evaluation_windows(job.inputs["tokens"][0], settings.evaluate)
    return model.windows(options.text, options.tokens)


def _losses(settings: Settings, model: Any, windows: Windows) -> np.ndarray:
    return windows.select(token_losses(model, windows.tokens, settings.evaluate.batch_windows))


def _arms(
    job: Job,
    settings: Settings,
    model: DeviceModel,
    workload: Workload,
    counts: np.ndarray,
    noise: DeviceNoise,
    losses: Callable[[Any], np.ndarray],
    windows: Windows,
) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Each arm and the losses of its tokens."""
    mitigation = settings.qpu.mitigation
    none = {"executor": "none", "shots": math.inf, "mitigation": "none"}
    plain = base_model(job.inputs["model"][0])
    yield none | {"arm": "uncompressed"}, _losses(settings, plain, windows)
    del plain
    with model.model.disable_adapter():
        yield none | {"arm": "without_blocks"}, losses(None)

    float_blocks = {name: q.float() for name, q in model.blocks.items()}
    exact = none | {"executor": "exact", "noise_scale": 0.0}
    yield exact | {"arm": "exact", "readout": "signed"}, losses(ExactExecutor(float_blocks, "signed"))
    readout = "characterised" if workload.mode == "characterise" else "sign_constrained"
    if readout == "sign_constrained":
        signs = ExactExecutor(float_blocks, readout)
        yield exact | {"arm": "exact_sign_constrained", "readout": readout}, losses(signs)

    device = {"readout": readout, "noise_scale": 1.0, "mitigation": mitigation}
    expected = predicted(workload, noise)

    def measured(values: np.ndarray) -> np.ndarray:
        p = frequencies(workload, values, mitigation, noise)
        return losses(executor_of(workload, p, model.blocks))

    simulated = device | {"executor": "noisy"}
    yield simulated | {"arm": "simulated_unlimited_shots", "shots": math.inf}, measured(expected)
    shots = int(counts.sum(axis=1).min())
    generator = np.random.default_rng(int(manifest_columns("/".join(model.folder.parts[-3:]))["seed"]))
    drawn = np.stack([measured(sample(expected, shots, generator)) for _ in range(DRAWS)])
    spread = drawn.reshape(DRAWS, -1).mean(axis=1).std(ddof=1)
    about = {"arm": "simulated", "shots": shots, "nll_sd_shots": spread, "draws": DRAWS}
    yield simulated | about, drawn.mean(axis=0)
    agreement = chi_square(counts, expected)
    yield device | {"arm": "qpu", "executor": "qpu", "shots": shots, **agreement}, measured(counts)


def _cell(
    job: Job, settings: Settings, model: DeviceModel, workload: Workload, known: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The processor's row of the map; its recovery is counted on its own tokens."""
    cell = manifest_columns("/".join(model.folder.parts[-3:]))
    train, row, ansatz = settings.train, known["qpu"], workload.circuits.ansatz
    targets, layers = settings.qpu.targets or train.targets, settings.qpu.layers or train.layers
    compressed, uncompressed = (known[arm]["perplexity"] for arm in ("without_blocks", "uncompressed"))
    ratio, synthesis = float(cell["compression_ratio"]), settings.transpile.synthesis
    return {
        **{key: row[key] for key in ("noise_scale", "shots", "readout", "tokens", "nll", "nll_se", "perplexity")},
        "model": settings.model.name,
        "compression": method_of(job),
        "compression_ratio": ratio,
        "ansatz": train.ansatz,
        "block_dim": int(cell["block_dim"]),
        "qubits": qubits_that_hold(model.config.dimension),
        "seed": int(cell["seed"]),
        "recovery": (compressed - row["perplexity"]) / (compressed - uncompressed) if ratio else None,
        "adapter_parameters": model.parameters,
        "two_qubit_gates": np.mean(
            [circuit_summary(ansatz.first(int(length))).cz for length in workload.circuits.lengths]
        ),
        "executor": "qpu",
        "backend": settings.qpu.backend,
        "layout": "; ".join(" ".join(map(str, line)) for line in workload.lines),
        "mitigation": row["mitigation"],
        "targets": " ".join(targets),
        "brickwork_depth": train.brickwork_depth if ANSATZES[train.ansatz].layered else None,
        "trained_noise_scale": train.noise_scale,
        # What is only made longer to be compared with Qiskit's is not run on a processor.
        "synthesis": "exact" if SYNTHESES[synthesis].compared else synthesis,
        "idle": settings.qpu.dynamical_decoupling != "none",
        "layers": " ".join(map(str, layers or ())) or None,
        "nll_compressed": known["without_blocks"]["nll"],
    }


def _tracked(job: Job, rows: list[dict[str, Any]]) -> TrackedRun:
    """The perplexity of each arm and what was run."""
    summary = {f"qpu/perplexity_{row['arm']}": row["perplexity"] for row in rows}
    measured = next(row for row in rows if row["arm"] == "qpu")
    summary |= {f"qpu/{key}": measured[key] for key in ("shots", "tokens", "chi_square", "degrees", "p_value")}
    return TrackedRun(job.label, job.stage, {"cell": "qpu", "qpu": job.leaves["qpu"]}, summary=summary)
