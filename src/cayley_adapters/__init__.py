"""Cayley unitary adapters in language models, run exactly, through simulated device noise, or on a processor.

The public names are loaded when first used, so that importing the package stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from wrapt import register_post_import_hook

from cayley_adapters.core.lazy import lazily

if TYPE_CHECKING:  # what type checkers and editors read, which follow no lazy import
    from cayley_adapters.adapters.cayley.config import CayleyConfig as CayleyConfig
    from cayley_adapters.adapters.cayley.model import set_executor as set_executor
    from cayley_adapters.adapters.cayley.oft import from_oft as from_oft
    from cayley_adapters.adapters.cayley.oft import to_oft as to_oft
    from cayley_adapters.adapters.cayley.transform import cayley as cayley
    from cayley_adapters.adapters.cayley.transform import inverse_cayley as inverse_cayley
    from cayley_adapters.adapters.saving import load as load
    from cayley_adapters.adapters.saving import save as save
    from cayley_adapters.adapters.training.blocks import train as train
    from cayley_adapters.analysis.result_folders import read_map as read_map
    from cayley_adapters.circuits.blocks import BlockCircuits as BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise as DeviceNoise
    from cayley_adapters.circuits.qiskit import block_circuit as block_circuit
    from cayley_adapters.circuits.synthesis import brickwork_circuits as brickwork_circuits
    from cayley_adapters.circuits.synthesis import synthesise as synthesise
    from cayley_adapters.core.errors import CayleyError as CayleyError
    from cayley_adapters.models.compression.storage import load_compressed as load_compressed
    from cayley_adapters.models.compression.whole import compress as compress
    from cayley_adapters.models.generation import generate as generate
    from cayley_adapters.models.perplexity import perplexity as perplexity
    from cayley_adapters.qpu.executor import QpuExecutor as QpuExecutor
    from cayley_adapters.report.plots.shown import plot_map as plot_map
    from cayley_adapters.simulation.compiled import compile_blocks as compile_blocks
    from cayley_adapters.simulation.compiled import noisy_probabilities as noisy_probabilities
    from cayley_adapters.simulation.executors import AerExecutor as AerExecutor
    from cayley_adapters.simulation.executors import ExactExecutor as ExactExecutor
    from cayley_adapters.simulation.executors import Executor as Executor
    from cayley_adapters.simulation.executors import NoisyExecutor as NoisyExecutor
    from cayley_adapters.simulation.noisy import noisy as noisy

__version__ = "0.1.0"

_HOMES = {
    "AerExecutor": "simulation.executors",
    "BlockCircuits": "circuits.blocks",
    "CayleyConfig": "adapters.cayley.config",
    "CayleyError": "core.errors",
    "DeviceNoise": "circuits.noise.device",
    "ExactExecutor": "simulation.executors",
    "Executor": "simulation.executors",
    "block_circuit": "circuits.qiskit",
    "cayley": "adapters.cayley.transform",
    "compress": "models.compression.whole",
    "brickwork_circuits": "circuits.synthesis",
    "from_oft": "adapters.cayley.oft",
    "generate": "models.generation",
    "inverse_cayley": "adapters.cayley.transform",
    "NoisyExecutor": "simulation.executors",
    "QpuExecutor": "qpu.executor",
    "compile_blocks": "simulation.compiled",
    "load": "adapters.saving",
    "load_compressed": "models.compression.storage",
    "noisy": "simulation.noisy",
    "noisy_probabilities": "simulation.compiled",
    "perplexity": "models.perplexity",
    "plot_map": "report.plots.shown",
    "read_map": "analysis.result_folders",
    "save": "adapters.saving",
    "set_executor": "adapters.cayley.model",
    "synthesise": "circuits.synthesis",
    "to_oft": "adapters.cayley.oft",
    "train": "adapters.training.blocks",
}

__all__ = sorted(_HOMES)


# PEFT knows Cayley adapters as soon as both packages are imported, in whatever order, and without loading it for the
# many uses that need no model: `PeftModel.from_pretrained` then works after a bare `import cayley_adapters`.
register_post_import_hook(lambda _: import_module(f"{__name__}.adapters.cayley"), "peft")


__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
