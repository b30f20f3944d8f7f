"""Perplexity of one trained cell along the whole noise axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cayley_adapters.adapters import adapted_layers, blocks_of, set_executor
from cayley_adapters.block_circuits import BlockCircuits
from cayley_adapters.circuit_files import load_circuits
from cayley_adapters.compression import load_compressed
from cayley_adapters.compression.observation import layer_inputs
from cayley_adapters.evaluation import perplexity_row, token_losses
from cayley_adapters.executors import AerExecutor, ExactExecutor, Executor, NoisyExecutor, characterised
from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job, manifest_columns
from cayley_adapters.measurement import mitigation_for
from cayley_adapters.models import set_threads
from cayley_adapters.noise import DeviceNoise
from cayley_adapters.progress import Progress
from cayley_adapters.simulator import compile_blocks
from cayley_adapters.stages.common import evaluation_windows, method_of
from cayley_adapters.stages.tracked import adapter_files, cell_config, evaluation_files
from cayley_adapters.tables import CELL_COLUMNS, read_table, write_table
from cayley_adapters.tracking import log_run
from cayley_adapters.training.frozen import first_adapted_layer, from_layer

__all__ = ["run"]


def run(job: Job) -> None:
    """Write one row a noise scale, shots and readout, and the loss of each test token in each row."""
    import torch
    from numba import config as numba_config
    from numba import set_num_threads
    from peft import PeftModel
    from safetensors.numpy import save_file

    leaves, inputs, outputs = job.leaves, job.inputs(), job.outputs()
    options, cell = leaves["evaluate"], manifest_columns("/".join(job.cell.values()))
    block_dim, seed = int(cell["block_dim"]), int(cell["seed"])
    # In this order: numba's first call starts its OpenMP pool and thereby resets the number of threads for torch.
    set_num_threads(min(options["threads"], numba_config.NUMBA_NUM_THREADS))
    set_threads(options["threads"])

    model = PeftModel.from_pretrained(load_compressed(inputs["compressed"][0].parent), inputs["adapter"][0].parent)
    model.eval()
    layers = adapted_layers(model)
    blocks = {
        name: blocks_of(layer.cayley_theta["default"].detach().double(), layer.cayley_config["default"])
        for name, layer in layers.items()
    }
    circuits = load_circuits(inputs["angles"][0])
    counts = read_table(inputs["blocks"][0])["cz"]
    common = {
        "model": leaves["model.name"],
        "compression": method_of(job),
        "compression_ratio": float(cell["compression_ratio"]),
        "ansatz": leaves["train"]["ansatz"],
        "block_dim": block_dim,
        "qubits": block_dim.bit_length() - 1,
        "seed": seed,
        "adapter_parameters": sum(layer.cayley_theta["default"].numel() for layer in layers.values()),
        "two_qubit_gates": counts.mean() if len(counts) else math.nan,
        "targets": " ".join(leaves["train"]["targets"]),
        "brickwork_depth": leaves["train"]["brickwork_depth"] if leaves["train"]["ansatz"] == "brickwork" else None,
        "trained_noise_scale": leaves["train"]["noise_scale"],
        "layers": " ".join(map(str, leaves["train"]["layers"] or ())) or None,
    }
    windows = evaluation_windows(inputs["tokens"][0], options["windows"])
    documents = windows.documents[:, 1:]
    arms = list(_arms(job, block_dim))
    # Layers below the first block are the same in every arm.
    first, states = first_adapted_layer(model), None
    if first:
        caught, _ = layer_inputs(model.get_base_model(), np.array_split(windows.tokens, len(windows.tokens)), first)
        states = torch.cat(caught)
    progress, rows, losses = Progress(job.label), [], []
    for index, arm in enumerate(arms):
        set_executor(model, _executor(arm, blocks, circuits, job, seed))
        with torch.no_grad(), from_layer(model, first):
            arm_losses = token_losses(model, windows.tokens, options["batch_windows"], states=states)
        rows.append(common | arm | perplexity_row(arm_losses, documents))
        losses.append(arm_losses.ravel().astype(np.float32))
        note = f"noise {arm['noise_scale']:g}, {arm['shots']:g} shots: perplexity {rows[-1]['perplexity']:.4g}"
        progress(index + 1, len(arms), note)
    with atomic_file(outputs["losses"]) as temporary:
        save_file({"losses": np.stack(losses), "documents": documents.ravel()}, temporary)
    write_table(rows, outputs["cells"], CELL_COLUMNS)
    _log(job, rows)


def _log(job: Job, rows: list[dict[str, Any]]) -> None:
    """Track the curve over noise, and as final numbers those at the smallest noise scale."""
    options, inputs = job.leaves["evaluate"], job.inputs()
    device = [row for row in rows if row["executor"] != "exact"]
    curves: dict[float, dict[str, Any]] = {}
    for row in device:
        # The map's number of shots has the plain keys; the others are told apart by theirs.
        suffix = "" if row["shots"] == float(options["shots"][0]) else f"_{row['shots']:g}_shots"
        point = curves.setdefault(row["noise_scale"], {"evaluation/noise_scale": row["noise_scale"]})
        point |= {f"evaluation/{key}{suffix}": row[key] for key in ("perplexity", "nll", "nll_se")}
    exact = {f"evaluation/{key}_exact": rows[0][key] for key in ("perplexity", "nll", "nll_se")}
    fixed = ("model", "compression", "ansatz", "qubits", "readout", "mitigation", "synthesis")
    config = {**cell_config(job), **{key: device[0][key] for key in fixed}, "train": job.leaves["train"]}
    log_run(
        job.base,
        job.label,
        job.stage,
        config | {"evaluate": options, "noise": job.leaves["noise"], "noise_scales": job.leaves["sweep.noise_scale"]},
        history=list(curves.values()),
        axis="evaluation/noise_scale",
        summary={
            **curves[min(curves)],
            **exact,
            **{key: device[0][key] for key in ("two_qubit_gates", "adapter_parameters", "tokens")},
        },
        used=[adapter_files(job, inputs["adapter"][0].parent)],
        made=[evaluation_files(job.outputs()["cells"])],
    )


def _arms(job: Job, block_dim: int) -> Iterator[dict[str, Any]]:
    """What is evaluated: exact arithmetic, then every noise scale with every number of shots."""
    options, noise = job.leaves["evaluate"], job.leaves["noise"]
    yield {"noise_scale": 0.0, "shots": math.inf, "readout": "signed", "executor": "exact", "mitigation": "none"}
    shots = {float(value) for value in options["shots"]}
    if block_dim in options["unlimited_shots_block_dims"]:
        shots.add(math.inf)
    device = {key: options[key] for key in ("readout", "executor", "mitigation")}
    device |= {"synthesis": job.leaves["transpile.synthesis"], "backend": noise["backend"], "idle": noise["idle"]}
    device["layout"] = _layout_text(noise["layout"])
    for count in sorted(shots):
        for scale in job.leaves["sweep.noise_scale"]:
            yield {"noise_scale": scale, "shots": count, **device}


def _layout_text(layout: str | list[Any]) -> str:
    """A layout as tables show it: ``median``, ``3 4 5`` or ``3 4; 7 8``."""
    if isinstance(layout, str):
        return layout
    lines = layout if isinstance(layout[0], list) else [layout]
    return "; ".join(" ".join(map(str, line)) for line in lines)


def _executor(
    arm: dict[str, Any], blocks: dict[str, Any], circuits: dict[str, BlockCircuits], job: Job, seed: int
) -> Executor:
    if arm["executor"] == "exact":
        return ExactExecutor({name: q.float() for name, q in blocks.items()}, arm["readout"])
    # The same seed for every noise scale: neighbouring cells differ by noise and not by luck.
    options: dict[str, Any] = {"shots": arm["shots"], "seed": np.random.SeedSequence(seed)}
    noise = DeviceNoise.from_backend(scale=arm["noise_scale"], **job.leaves["noise"])
    undo = {name: mitigation_for(arm["mitigation"], item, noise) for name, item in circuits.items()}
    if arm["readout"] == "ideal_sign":
        options["ideal"] = {name: q.float() for name, q in blocks.items()}
    if arm["executor"] == "aer":
        return AerExecutor(circuits, noise, mitigation=undo, **options)
    # Blocks too large for circuits are run on an ideal device, the only one that the settings allow them.
    compiled = {
        name: compile_blocks(circuits[name], noise) if name in circuits else q.numpy() for name, q in blocks.items()
    }
    executor = NoisyExecutor(compiled, mitigation=undo, **options)
    return characterised(executor, blocks, undo, **options) if arm["readout"] == "characterised" else executor
