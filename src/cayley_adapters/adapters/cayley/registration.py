"""The one place that touches PEFT's internal tables."""

from __future__ import annotations

from typing import Any

from peft.config import PeftConfig
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
from peft.tuners.tuners_utils import BaseTuner

from cayley_adapters.adapters.cayley.config import PEFT_TYPE

__all__ = ["register"]


def register(config_class: type[PeftConfig], model_class: type[BaseTuner]) -> None:
    """Make PEFT load and save Cayley adapters.

    ``peft.utils.register_peft_method`` accepts only names in PEFT's own enumeration; its tables take any string, and
    find a member of :class:`~cayley_adapters.adapters.cayley.config.CayleyType` by the string that it is.
    """
    tables: Any = PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING
    for table, entry in zip(tables, (config_class, model_class, model_class.prefix), strict=True):
        table[PEFT_TYPE] = entry
