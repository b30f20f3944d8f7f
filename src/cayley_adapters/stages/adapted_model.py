"""A compressed model with its trained blocks, ready to be evaluated under any executor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cayley_adapters.adapters.cayley.loading import load_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.adapters.training.fitting import told_dimension
from cayley_adapters.adapters.training.frozen import first_adapted_layer, from_layer, hidden_states
from cayley_adapters.analysis import MEASUREMENTS
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.core.job import Job
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.losses import shot_error, token_losses
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.models.windows import Windows
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.arms import Arm, make_executor
from cayley_adapters.simulation.mitigations import circuits_spent
from cayley_adapters.stages.common import device_noise, evaluation_windows, use_threads

__all__ = ["AdaptedModel", "device_arms", "trained"]

Adapt = Callable[[Any], tuple[Any, dict[str, BlockCircuits]]]


def trained(job: Job) -> Adapt:
    """A job's trained blocks with their circuits."""
    inputs = job.inputs
    return lambda base: (load_adapter(base, inputs["adapter"][0].parent), load_circuits(inputs["angles"][0]))


def device_arms(settings: Settings, block_dim: int, axis: Sequence[float]) -> Iterator[Arm]:
    """What is evaluated beside exact arithmetic: every noise scale of ``axis`` with every number of shots."""
    options = settings.evaluate
    shots = {float(value) for value in options.shots}
    if block_dim in options.unlimited_shots_block_dims:
        shots.add(math.inf)
    for count in sorted(shots):
        for scale in axis:
            yield Arm(options.executor, options.readout, scale, count, options.mitigation)


class AdaptedModel:
    """The model of an evaluation's job.

    Args:
        job: its inputs hold the compressed model, the text, and what ``adapt`` reads.
        settings: what the job may read.
        adapt: makes the model with blocks, and their circuits by projection, of the compressed model.
        seed: of all shots.

    Attributes:
        circuits: projection → synthesised blocks; empty where they are not run as circuits.
        block_dim: d of the blocks, see :func:`told_dimension`.
        parameters: number of the blocks' parameters.
        windows: the text.
    """

    def __init__(self, job: Job, settings: Settings, adapt: Adapt, seed: int) -> None:
        inputs, self._options = job.inputs, settings.evaluate
        use_threads(self._options.threads)
        compressed = inputs["compressed"][0].parent
        base = place(load_compressed(compressed), device_named(self._options.device))
        self._model, self.circuits = adapt(base)
        layers = adapted_layers(self._model)
        self._blocks = trained_blocks(self._model)
        self._device, self._seed = device_noise(settings.noise), seed
        self.block_dim = told_dimension(self._model)
        self.parameters = sum(layer.cayley_theta["default"].numel() for layer in layers.values())
        self.windows = evaluation_windows(inputs["tokens"][0], self._options)
        # Layers below the first block are the same in every arm, and for all adapters of one compressed model.
        self._first, self._states = first_adapted_layer(self._model), None
        if self._first:
            self._states = hidden_states(self._model, self.windows.tokens, self._first, compressed / "hidden")

    def losses(self, arm: Arm, windows: Windows | None = None, repeat: int = 0) -> np.ndarray:
        """Losses of scored tokens, ``(tokens,)``, under an arm; ``repeat`` counts independent draws of all shots."""
        import torch

        seed = (self._seed, repeat) if repeat else self._seed
        set_executor(self._model, make_executor(arm, self._blocks, self.circuits, self._device, seed))
        windows = windows or self.windows
        states = None if self._states is None else self._states[: len(windows.tokens)]
        with torch.no_grad(), from_layer(self._model, self._first):
            found = token_losses(self._model, windows.tokens, self._options.batch_windows, states=states)
        return windows.select(found)

    def mitigation_shots(self, arm: Arm) -> float:
        """Shots that an arm's mitigation takes beside those of the blocks' circuits."""
        device = replace(self._device, scale=arm.noise_scale)
        count = circuits_spent(arm.mitigation, self.circuits, device)
        return count * arm.shots if count else 0.0

    def shot_error(self, arm: Arm, losses: np.ndarray) -> float:
        """Standard error of the mean loss that finite shots cause, from running the first batch twice.

        Where all tokens share the shots of one measurement, the whole text is run with several.
        """
        if math.isinf(arm.shots):
            return 0.0
        if READOUTS[arm.readout].once:
            again = [self.losses(arm, repeat=repeat).mean() for repeat in range(1, MEASUREMENTS)]
            return float(np.std([losses.mean(), *again], ddof=1))
        second = self.losses(arm, self.windows[: self._options.batch_windows], repeat=1)
        return shot_error(losses[: second.size], second, self.windows.clusters[: second.size], losses.size)
