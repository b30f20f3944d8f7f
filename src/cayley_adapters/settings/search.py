"""The section that says which step sizes are tried where none is given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
