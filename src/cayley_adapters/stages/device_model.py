"""The model whose blocks go to a processor: its blocks, their circuits, and the text that is put to it."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cayley_adapters.adapters.cayley.layer import blocks_of
from cayley_adapters.adapters.cayley.loading import load_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.circuits.sizes import qubits_that_hold
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.corpus import window_of
from cayley_adapters.models.windows import Windows, load_windows
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.trained_circuits import circuits_of
from cayley_adapters.stages.block_circuits import synthesis_of
from cayley_adapters.stages.common import model_folder, use_threads

if TYPE_CHECKING:
    from cayley_adapters.circuits.blocks import BlockCircuits

__all__ = ["DeviceModel"]


class DeviceModel:
    """Model, blocks and circuits of a job that runs blocks on a processor.

    Args:
        job: Its inputs hold the compressed model, the adapter and the text.
        settings: What the job may read.
    """

    def __init__(self, job: Job, settings: Settings) -> None:
        self._settings, self._inputs = settings, job.inputs
        use_threads(settings.qpu.threads)
        base = load_compressed(self._inputs["compressed"][0].parent)
        self.model = load_adapter(base, self._inputs["adapter"][0].parent)
        layers = adapted_layers(self.model)
        self.config = next(iter(layers.values())).cayley_config["default"]
        self._theta = {name: layer.cayley_theta["default"].detach().double() for name, layer in layers.items()}
        self.blocks = {name: blocks_of(theta, self.config) for name, theta in self._theta.items()}
        self.parameters = sum(theta.numel() for theta in self._theta.values())

    @cached_property
    def circuits(self) -> dict[str, BlockCircuits]:
        """Projection → its synthesised blocks."""
        synthesise = synthesis_of(self._settings, qubits_that_hold(self.config.dimension))
        return {name: circuits_of(theta, self.config, synthesise) for name, theta in self._theta.items()}

    def windows(self, text: str | None, tokens: int) -> Windows:
        """The text that is put to the model: one window of ``tokens`` scored tokens, or the whole of a given text.

        Raises:
            CayleyError: The text is too short, or longer than a window or than what the model reads at once.
        """
        if text is None:
            window = load_windows(self._inputs["tokens"][0], "test")[:1]
            longest = window.tokens.shape[1] - 1
            if tokens > longest:
                raise CayleyError(
                    f"qpu.tokens={tokens}: a window has {longest} scored tokens; lower it, or raise data.window"
                )
            return window.whole(tokens + 1)
        found = window_of(text, load_tokenizer(model_folder(self._inputs["model"][0])))
        if (count := found.tokens.size) < 2:
            raise CayleyError(f"qpu.text: has {count} tokens, and nothing can be scored; give at least two words")
        longest = getattr(self.model.config, "max_position_embeddings", count)
        if count > longest:
            raise CayleyError(f"qpu.text: has {count} tokens, and the model reads {longest} at once; shorten it")
        return found

    def slices(self, projection: str, windows: Windows) -> np.ndarray:
        """What enters a projection's blocks, ``(T, B, d)``, at every position but the last, which is not scored."""
        import torch

        seen: list[torch.Tensor] = []
        layer = adapted_layers(self.model)[projection]
        hook = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
        try:
            with torch.no_grad():
                self.model(input_ids=torch.as_tensor(windows.tokens, dtype=torch.long), use_cache=False)
        finally:
            hook.remove()
        d = self.config.dimension
        entering = seen[0][0, :-1].float()
        filled = torch.nn.functional.pad(entering, (0, -entering.shape[-1] % d))
        return filled.numpy().reshape(len(entering), -1, d)

    @property
    def folder(self) -> Path:
        """Folder of the adapter."""
        return self._inputs["adapter"][0].parent
