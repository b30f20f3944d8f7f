"""The configuration of a run: composed by Hydra once, checked against a typed schema, frozen."""

from cayley_adapters.settings.combinations import by_variant
from cayley_adapters.settings.compose import compose, find_conf_dir, from_snakemake_config, parse_cli
from cayley_adapters.settings.evaluation import Evaluate, Noise, Sweep
from cayley_adapters.settings.overrides import split_overrides
from cayley_adapters.settings.qpu import Qpu
from cayley_adapters.settings.questions import Questions
from cayley_adapters.settings.reference import reference
from cayley_adapters.settings.schema import Settings, fields, load_settings, partial, validate
from cayley_adapters.settings.sections import Compress, Data, Model, Track
from cayley_adapters.settings.train import Train

__all__ = [
    "Compress",
    "Data",
    "Evaluate",
    "Model",
    "Noise",
    "Qpu",
    "Questions",
    "Settings",
    "Sweep",
    "Track",
    "Train",
    "by_variant",
    "compose",
    "fields",
    "find_conf_dir",
    "from_snakemake_config",
    "load_settings",
    "parse_cli",
    "partial",
    "reference",
    "split_overrides",
    "validate",
]
