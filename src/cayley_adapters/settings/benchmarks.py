"""The section of the configuration about benchmarks of lm-evaluation-harness."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from cayley_adapters.circuits.readouts import MEASURED
from cayley_adapters.settings.block_dims import BlockDim, block_size
from cayley_adapters.settings.fields import Between, Name, Path, Shots, axis
from cayley_adapters.settings.sections import Device, Section, Threads

__all__ = ["Benchmarks"]

Readout = Literal[tuple(MEASURED)]  # type: ignore[valid-type]  # of a table


def _document(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}:[0-9]{1,8}", value):
        raise ValueError("must be TASK:NUMBER, such as mmlu_anatomy:3, a document's number counted from 0")
    return value


Document = Annotated[str, BeforeValidator(_document)]
"""A task and the number of one of its documents."""


class Benchmarks(Section):
    """Which tasks of lm-evaluation-harness are put to which models."""

    tasks: Annotated[tuple[Name, ...], axis()] = Field(
        description="Tasks and groups that the harness knows, or the embedded ones, or those of benchmarks.include."
    )
    include: Annotated[tuple[Path, ...], axis(empty=True)] = Field(
        description="Folders with task files of your own; Python that they name runs."
    )
    limit: Annotated[int, Between(1, 10_000_000)] | None = Field(
        description="The first so many documents of each task; null is all."
    )
    num_fewshot: Annotated[int, Between(0, 1000)] | None = Field(
        description="Examples in each prompt, where a task has any; null is the task's own number."
    )
    compression_ratio: Annotated[tuple[Annotated[float, Between(0, 1, below=True)], ...], axis(empty=True)] = Field(
        description="Ratios of the models that are asked; none is all of the sweep."
    )
    block_dim: Annotated[tuple[BlockDim, ...], axis(order=block_size, empty=True)] = Field(
        description="Dimensions of the blocks that are asked; none is 4, or else the smallest of the sweep."
    )
    noise_scale: Annotated[tuple[Annotated[float, Between(0, 1000)], ...], axis(empty=True)] = Field(
        description="Noise scales at which blocks are asked, beside their exact arithmetic."
    )
    shots: Annotated[tuple[Shots, ...], axis(order=float)] = Field(
        description="Shots a circuit, one model each; inf is unlimited."
    )
    readout: Annotated[tuple[Readout, ...], axis()] = Field(  # type: ignore[valid-type]
        description="How outputs are had of what is measured, as evaluate.readout, one model each."
    )
    chosen: Annotated[tuple[Document, ...], axis(empty=True)] = Field(
        description="Documents that are answered many times, such as [sums_of_two:3], counted from 0."
    )
    temperatures: Annotated[tuple[Annotated[float, Between(0, 100, above=True)], ...], axis()] = Field(
        description="Temperatures at which they are answered."
    )
    draws: Annotated[int, Between(1, 1_000_000)] = Field(description="Answers of each of them at each temperature.")
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")
    device: Device = Field(description="Where models are asked; auto is CUDA where there is any.")
