"""Rank projections by what their blocks gain and what noise in them costs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from cayley_adapters.adapters.cayley.loading import load_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.analysis.lever_ranking import RANKING_COLUMNS, rank
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.corpus import training_windows
from cayley_adapters.models.layerwise import from_layer, layer_inputs, run_layer
from cayley_adapters.models.losses import token_losses
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.models.windows import Windows
from cayley_adapters.pipeline.levers import RANKED_BLOCK_DIM
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.arms import Arm, make_executor
from cayley_adapters.simulation.executors import ExactExecutor, Executor
from cayley_adapters.stages.common import device_noise, windows_healed_on

__all__ = ["run"]

NOISY = Arm("noisy", "sign_constrained", noise_scale=10.0)
"""At the device's own noise what one projection costs is less than its standard error; it grows in proportion to the
noise scale, and its error with the root."""


class _Exchanged:
    """Runs one projection in another way than all others; None leaves its input as it is."""

    def __init__(self, key: str, executor: Executor | None, others: Executor) -> None:
        self._key, self._executor, self._others = key, executor, others

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        if key != self._key:
            return self._others(key, x)
        return x if self._executor is None else self._executor(key, x)


def run(job: Job, settings: Settings) -> Outcome:
    """Write the ranking, measured on the windows that validate training: neither trained on nor tested on."""
    from numba import set_num_threads

    inputs, train = job.inputs, settings.train
    set_num_threads(1)  # few slices at a time; before torch's threads, which numba's first call resets
    set_threads(settings.evaluate.threads)
    base = place(load_compressed(inputs["compressed"][0].parent), device_named(settings.evaluate.device))
    model = load_adapter(base, inputs["adapter"][0].parent)
    wanted = train.steps * train.batch_windows
    held_out, healed = max(train.validation_windows, 1), windows_healed_on(job)
    windows, trained = training_windows(inputs["tokens"][0], wanted, held_out, healed)
    windows = windows[trained : trained + settings.levers.ranking_windows]
    layers, blocks = adapted_layers(model), trained_blocks(model)
    circuits = {name: synthesise(q.numpy()) for name, q in blocks.items()}
    known = device_noise(settings.noise).as_known(RANKED_BLOCK_DIM.bit_length() - 1)
    noisy = make_executor(NOISY, blocks, circuits, known, 0)
    exact = ExactExecutor({name: q.float() for name, q in blocks.items()}, "signed")
    progress, rows = Progress(job.label), []
    with torch.no_grad():
        for row in _measured(model, windows, exact, noisy):
            rows.append(row | {"inputs": layers[row["projection"]].in_features})
            progress(len(rows), len(layers))
    write_table(rank(pd.DataFrame(rows)), job.outputs["ranking"], RANKING_COLUMNS)
    return Outcome()


def _measured(model: Any, windows: Windows, exact: Executor, noisy: Executor) -> Iterator[dict[str, Any]]:
    """Gain and cost of each projection; what lies below its layer is run once for all of a layer's."""
    tokens, scored = windows.tokens, windows.scored[:, 1:]
    counts = scored.sum(axis=1).clip(1)
    base = model.get_base_model()
    decoder = list(base.model.layers)
    set_executor(model, exact)
    states, calls = layer_inputs(base, list(tokens[:, None]))
    for index, layer in enumerate(decoder):
        entering = torch.cat(list(states))
        with from_layer(model, index):
            set_executor(model, exact)
            plain = token_losses(model, tokens, 1, states=entering)
            for key in adapted_layers(layer):
                found: dict[str, Any] = {"projection": key, "layer": int(re.findall(r"\.(\d+)\.", key)[0])}
                for name, executor in (("gain", None), ("cost", noisy)):
                    set_executor(model, _Exchanged(key, executor, exact))
                    difference = token_losses(model, tokens, 1, states=entering) - plain
                    difference = (difference * scored).sum(axis=1) / counts
                    error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
                    found |= {name: difference.mean(), f"{name}_se": error}
                yield found
        set_executor(model, exact)
        states = run_layer(layer, states, calls[index])
