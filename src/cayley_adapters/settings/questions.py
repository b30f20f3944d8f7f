"""The section of the configuration about multiple-choice questions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cayley_adapters.core.messages import show
from cayley_adapters.settings.block_dims import BlockDim
from cayley_adapters.settings.fields import Between, Name, Path, Shots, axis
from cayley_adapters.settings.sections import Section, Threads, needs

__all__ = ["Questions"]


class Questions(Section):
    """Which questions are put to which models, and how."""

    source: Literal["encyclopedia", "jsonl", "csv", "harness"] = Field(
        description="The embedded set, JSON lines, CSV as MMLU has it, or a task of lm-evaluation-harness."
    )
    path: Path | None = Field(description="File of questions; with source jsonl or csv.")
    task: Name | None = Field(description="Task or group of multiple choice, such as mmlu; with source harness.")
    format: Literal["cloze", "letters"] | None = Field(
        description="Whether the text of each choice is scored or its letter; null with source harness."
    )
    limit: Annotated[int, Between(1, 10_000_000)] | None = Field(
        description="Questions asked, spread evenly over the set; null is all."
    )
    compression_ratio: Annotated[float, Between(0, 1, below=True)] | None = Field(
        description="Ratio of the compressed model that is asked; null is the smallest of the sweep."
    )
    block_dim: BlockDim | None = Field(
        description="Dimension of the blocks that are asked; null is 4, or else the smallest of the sweep."
    )
    noise_scale: Annotated[tuple[Annotated[float, Between(0, 1000)], ...], axis(empty=True)] = Field(
        description="Noise scales at which blocks answer, beside their exact arithmetic, with evaluate.readout."
    )
    shots: Shots = Field(description="Shots a circuit; inf is unlimited.")
    temperatures: Annotated[tuple[Annotated[float, Between(0, 100, above=True)], ...], axis()] = Field(
        description="Temperatures at which answers are sampled for some questions."
    )
    sampled: Annotated[int, Between(0, 10_000)] = Field(
        description="Questions whose answers are sampled: those on which the models disagree most."
    )
    chosen: Annotated[tuple[Annotated[int, Between(0, 10_000_000)], ...], axis(empty=True)] = Field(
        description="Numbers of the questions to sample instead, counted from 0 in the order of items.jsonl."
    )
    draws: Annotated[int, Between(1, 10_000_000)] = Field(description="Choices drawn for each of them.")
    texts: Annotated[int, Between(1, 1000)] = Field(description="Free texts generated for each of them.")
    new_tokens: Annotated[int, Between(1, 10_000)] = Field(description="Tokens of each text.")
    batch_tokens: Annotated[int, Between(1, 1_000_000)] = Field(description="Tokens answered at a time.")
    threads: Threads = Field(description="CPU threads of the job; results depend on it in the last digits.")

    @model_validator(mode="after")
    def _check(self) -> Questions:
        form: dict[str, Any] = {"format": self.format}
        wanted = {"harness": {"task": self.task}, "encyclopedia": form}.get(self.source, {"path": self.path} | form)
        users = {
            "path": "questions=jsonl or questions=csv",
            "task": "questions=mmlu",
            "format": "sources other than harness",
        }
        refused = {key: (getattr(self, key), name) for key, name in users.items() if key not in wanted}
        needs("questions", self.source, wanted, refused)
        limit = self.limit
        if limit is not None and (beyond := [number for number in self.chosen if number >= limit]):
            raise ValueError(
                f"questions.chosen={show(beyond)}: questions.limit={limit} asks 0 to {limit - 1}; choose "
                "among these, or raise questions.limit"
            )
        return self
