"""Perplexity of one trained cell along the whole noise axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from cayley_adapters.adapters import adapted_layers, blocks_of, set_executor
from cayley_adapters.circuit_files import load_circuits
from cayley_adapters.compression import load_compressed
from cayley_adapters.compression.observation import layer_inputs
from cayley_adapters.evaluation import perplexity_row, token_losses
from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job, manifest_columns
from cayley_adapters.models import set_threads
from cayley_adapters.progress import Progress
from cayley_adapters.stages.common import evaluation_windows, method_of
from cayley_adapters.stages.execution import make_executor
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
        set_executor(model, make_executor(arm, blocks, circuits, leaves["noise"], seed))
        with torch.no_grad(), from_layer(model, first):
            arm_losses = token_losses(model, windows.tokens, options["batch_windows"], states=states)
        rows.append(common | arm | perplexity_row(arm_losses, documents))
        losses.append(arm_losses.ravel().astype(np.float32))
        note = f"noise {arm['noise_scale']:g}, {arm['shots']:g} shots: perplexity {rows[-1]['perplexity']:.4g}"
        progress(index + 1, len(arms), note)
    with atomic_file(outputs["losses"]) as temporary:
        save_file({"losses": np.stack(losses), "documents": documents.ravel()}, temporary)
    table = write_table(rows, outputs["cells"], CELL_COLUMNS)
    curve = [
        {key: row[key] for key in ("noise_scale", "nll", "perplexity")}
        for row in rows
        if row["executor"] != "exact" and row["shots"] == float(options["shots"][0])
    ]
    config = cell | {"evaluate": options, "noise": leaves["noise"]}
    log_run(job.base, job.label.replace(" ", "-"), "evaluate", config, history=curve, table=table, summary=curve[0])


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
