"""What stages tell W&B of a job: the cell in plain numbers, and the files that pass from one stage to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cayley_adapters.core.files import sha256
from cayley_adapters.pipeline.jobs import Job, control_of
from cayley_adapters.report.wandb.runs import TrackedFiles

__all__ = ["adapter_files", "cell_config", "compressed_files", "evaluation_files"]


def cell_config(job: Job) -> dict[str, Any]:
    """A job's cell in plain numbers, by which the W&B pages sort and filter, and ``cell``, one for all its seeds."""
    cell = job.cell
    config: dict[str, Any] = {"cell": " ".join(value for axis, value in cell.items() if axis != "seed")}
    if "ratio" in cell:
        config["compression_ratio"] = float(cell["ratio"].removeprefix("ratio"))
    if "block" in cell:
        config |= {"method": "cayley", "block_dim": int(cell["block"].removeprefix("d"))}
    if "control" in cell:
        method, block_dim = control_of(cell["control"])
        config |= {"method": method} | ({"block_dim": block_dim} if block_dim else {})
    if "seed" in cell:
        config["seed"] = int(cell["seed"].removeprefix("seed"))
    return config


def compressed_files(job: Job) -> TrackedFiles:
    """The compressed model that a job starts from, by its description: neither weights nor text are uploaded."""
    inputs = job.inputs()
    description = inputs["compression"][0]
    about = json.loads(description.read_text(encoding="utf-8"))
    kept = {key: value for key, value in about.items() if key != "projections"}
    return TrackedFiles(
        f"compressed-{job.cell['ratio']}",
        "compressed-model",
        [description],
        {**kept, "text_sha256": sha256(inputs["tokens"][0])},
    )


def adapter_files(job: Job, folder: Path) -> TrackedFiles:
    """A trained adapter, of blocks or of a control, as PEFT loads it."""
    files = [folder / "adapter_model.safetensors", folder / "adapter_config.json"]
    return TrackedFiles(f"adapter-{_place(folder)}", "adapter", files, cell_config(job))


def evaluation_files(table: Path) -> TrackedFiles:
    """The rows of one cell along the noise axis."""
    return TrackedFiles(f"evaluation-{_place(table.parent)}", "evaluation", [table])


def _place(folder: Path) -> str:
    """Names a cell's folder: ``ratio0.2-d4-seed0`` of the map or a control, ``LEVER-ratio0.2-d4-seed0`` of a lever."""
    *above, _, ratio, block, seed = folder.parts
    owner = above[-1:] if above[-2:-1] == ["levers"] or above[-1:] in (["survey"], ["qpu"]) else []
    return "-".join([*owner, ratio, block, seed])
