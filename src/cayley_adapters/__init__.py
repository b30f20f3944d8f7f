"""Cayley unitary adapters in language models, run exactly, through simulated device noise, or on a processor.

The public names are loaded when first used, so that importing the package stays quick.
"""

from __future__ import annotations

from importlib import import_module

from wrapt import register_post_import_hook

from cayley_adapters.core.lazy import lazily

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
    "compress": "models.compression.sequential",
    "brickwork_circuits": "circuits.synthesis",
    "from_oft": "adapters.cayley.oft",
    "inverse_cayley": "adapters.cayley.transform",
    "NoisyExecutor": "simulation.executors",
    "QpuExecutor": "qpu.executor",
    "compile_blocks": "simulation.compiled",
    "load_compressed": "models.compression.storage",
    "noisy_probabilities": "simulation.compiled",
    "set_executor": "adapters.cayley.model",
    "synthesise": "circuits.synthesis",
    "to_oft": "adapters.cayley.oft",
}

__all__ = sorted(_HOMES)


# PEFT knows Cayley adapters as soon as both packages are imported, in whatever order, and without loading it for the
# many uses that need no model: `PeftModel.from_pretrained` then works after a bare `import cayley_adapters`.
register_post_import_hook(lambda _: import_module(f"{__name__}.adapters.cayley"), "peft")


__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
