"""The section that says which step sizes are tried where none is given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from cayley_adapters.settings.fields import Between, axis
from cayley_adapters.settings.sections import Section

__all__ = ["Search"]

Rates = Annotated[tuple[Annotated[float, Between(0, 10, above=True)], ...], axis()]


class Search(Section):
    """Step sizes that are tried where none is given, as many for each method."""

    steps: Annotated[int, Between(1, 10_000_000)] = Field(
        description="Optimiser steps of a trial, or train.steps where that is less."
    )
    learning_rate: Rates = Field(description="Tried for train.learning_rate: of the blocks, OFT and BOFT.")
    lora_learning_rate: Rates = Field(description="Tried for control.lora_learning_rate.")
    ia3_learning_rate: Rates = Field(description="Tried for control.ia3_learning_rate.")

    @model_validator(mode="after")
    def _check(self) -> Search:
        counts = {name: len(getattr(self, name)) for name in type(self).model_fields if name != "steps"}
        if len(set(counts.values())) > 1:
            told = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"search: every method is to try as many step sizes, and these are {told}")
        return self
