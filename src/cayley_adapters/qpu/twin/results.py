"""Results of a job: computed by whoever asks for them first, kept in a file, and told as the service tells them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.files import locked, write_file
from cayley_adapters.qpu.twin.device import decode_program
from cayley_adapters.qpu.twin.replies import utc

if TYPE_CHECKING:
    from cayley_adapters.circuits.noise.hidden import Hidden
    from cayley_adapters.qpu.twin.device import Device

__all__ = ["damaged", "results_text", "short"]


def results_text(folder: Path, job: sqlite3.Row, params: str, device: Device, hidden: Hidden) -> str:
    """Return the JSON of a completed job's results.

    The first who asks measures; a second one waits, under a kernel lock that a killed process leaves free.

    Args:
        folder: Where results are kept.
        job: Its row.
        params: Its parameters as JSON.
        device: The device that it ran on.
        hidden: How that differed from its calibration.
    """
    path = folder / f"{job['id']}.json"
    if not path.exists():
        with locked(path):
            if not path.exists():
                text = _measure(job, json.loads(params), device, hidden)
                write_file(path, text)
    return path.read_text()


def _measure(job: sqlite3.Row, params: dict[str, Any], device: Device, hidden: Hidden) -> str:
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor import version_2_0 as schema

    from cayley_adapters.qpu.simulate import run_program

    program, _ = decode_program(params)
    measured = run_program(program, device.backend, job["seed"], hidden=hidden)
    parts = [
        schema.ChunkPart(idx_item=i, size=size, permutation=list(range(len(item.shape))), element_range=(0, size, 1))
        for i, item in enumerate(program.items)
        for size in [int(np.prod(item.shape))]
    ]
    span = schema.ChunkSpan(start=utc(job["started"]), stop=utc(job["ended"]), parts=parts)
    result = schema.QuantumProgramResultModel(
        data=[
            schema.QuantumProgramResultItemModel(
                results={name: CompressedTensorModel.from_numpy(arrays.pop(name)) for name in list(arrays)},
                metadata=schema.ItemMetadataModel(),
            )
            for arrays in measured
        ],
        metadata=schema.MetadataModel(chunk_timing=[span]),
        passthrough_data=params["quantum_program"].get("passthrough_data"),
        semantic_role=params["quantum_program"].get("semantic_role"),
    )
    return str(result.model_dump_json())


def damaged(text: str) -> str:
    """Return results of which a byte in the middle of each array is wrong."""
    content = json.loads(text)
    for tensor in _tensors(content):
        data, middle = tensor["data"], len(tensor["data"]) // 2
        tensor["data"] = data[:middle] + ("A" if data[middle] != "A" else "B") + data[middle + 1 :]
    return json.dumps(content)


def short(text: str) -> str:
    """Return results with the first half of the shots only."""
    from ibm_quantum_schemas.common import CompressedTensorModel

    content = json.loads(text)
    for tensor in _tensors(content):
        array = CompressedTensorModel(**tensor).to_numpy()
        if array.dtype == bool and array.ndim >= 2:  # the last two axes of a register: shots, bits
            array = array[..., : array.shape[-2] // 2, :]
            tensor |= CompressedTensorModel.from_numpy(array).model_dump(mode="json")
    return json.dumps(content)


def _tensors(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [tensor for item in content["data"] for tensor in item["results"].values()]
