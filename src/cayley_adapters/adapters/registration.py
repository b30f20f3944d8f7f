"""The one place that touches PEFT's internal tables."""

from __future__ import annotations

from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_PREFIX_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

from cayley_adapters.adapters.config import PEFT_TYPE

__all__ = ["register"]


def register(config_class: type, model_class: type) -> None:
    """Make PEFT load and save Cayley adapters.

    ``peft.utils.register_peft_method`` accepts only names in PEFT's own enumeration; its tables take any string.
    """
    PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = config_class
    PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = model_class
    PEFT_TYPE_TO_PREFIX_MAPPING[PEFT_TYPE] = model_class.prefix
