"""Which widths layers keep: the same, or what measured losses say, or a given shape where errors choose the layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from cayley_adapters.models.compression.allocation import SPREAD, shares_by_sensitivity
from cayley_adapters.models.compression.methods.width import Removal, regular_moments
from cayley_adapters.models.compression.observation import observe, second_moments, text_loss
from cayley_adapters.models.compression.pruning import (
    prune_attention,
    prune_mlp,
    removal_of_groups,
    removal_of_neurons,
    require_separate_heads,
    shape_of,
)
from cayley_adapters.models.compression.widths import (
    PROBED,
    SHAPES,
    SURVEYED,
    LayerShape,
    Widths,
    even_widths,
    neurons_in,
    require_given,
    units,
)
from cayley_adapters.models.layerwise import layer_inputs

__all__ = ["Survey", "choose_widths"]

Visitor = Callable[[int, Mapping[str, torch.Tensor], Callable[[], float]], None]
"""Is told a layer's index, the second moments of what its ``o_proj`` (as ``self_attn``) and ``down_proj`` (as ``mlp``)
read, and what measures the loss with the layer as it is."""


@dataclass(frozen=True)
class Survey:
    """Runs the uncompressed model's layers, from below, and sees what removing width from each alone does.

    Attributes:
        model: the model, unchanged in the end.
        tokens: ``(windows, window)`` calibration token ids.
        ridge: see :func:`~cayley_adapters.models.compression.pruning.prune_layer`.
        batch_windows: windows that go through a layer at once.
        lend: what a layer is used within.
        progress: called with (layers done, layers), of twice as many layers as the survey itself has.
    """

    model: Any
    tokens: np.ndarray
    ridge: float
    batch_windows: int
    lend: Callable[[int], AbstractContextManager[Any]]
    progress: Callable[[int, int], None] | None

    def run(self, layers: Collection[int], visit: Visitor) -> None:
        """Visit some layers, from below."""
        chosen = self.tokens[:SURVEYED]
        batches, calls = layer_inputs(self.model, np.array_split(chosen, -(-len(chosen) // self.batch_windows)))
        probe = torch.as_tensor(chosen[: min(PROBED, len(batches[0]))], dtype=torch.long)
        decoder, last = self.model.model.layers, max(layers)
        for index in range(last + 1):
            with self.lend(index):
                layer = decoder[index]
                attention = second_moments(layer, layer.self_attn.o_proj, batches, calls[index])
                watched = {".mlp.down_proj": layer.mlp.down_proj}
                grams, advance = observe(layer, watched, batches, calls[index], of_inputs=True)
                states = batches[0][: len(probe)]

                def loss(index: int = index, states: torch.Tensor = states) -> float:
                    return text_loss(self.model, index, states, calls, probe, self.lend)

                if index in layers:
                    pairs = {
                        "self_attn": (layer.self_attn.o_proj, attention),
                        "mlp": (layer.mlp.down_proj, grams.pop(".mlp.down_proj")),
                    }
                    moments = {
                        name: regular_moments(module.weight, gram, self.ridge) for name, (module, gram) in pairs.items()
                    }
                    visit(index, moments, loss)
                batches = advance()
            if self.progress:
                self.progress(index + 1, 2 * (last + 1))


def choose_widths(
    survey: Survey, layers: Collection[int], targets: Collection[str], ratio: float, allocation: str, shape: str | None
) -> dict[int, Widths]:
    """What each layer keeps.

    Args:
        survey: of the uncompressed model.
        layers: indices of the layers that are pruned.
        targets: projections that are compressed, whose parameters the ratio is a share of.
        ratio: share of them to remove.
        allocation: ``uniform`` or ``sensitivity``.
        shape: of :data:`~cayley_adapters.models.compression.widths.SHAPES`, or None.

    Raises:
        CayleyError: too little would be left, some projections that lose width together are left out, or the shape is
            another model's.
    """
    decoder = survey.model.model.layers
    if units(targets)[1]:
        require_separate_heads(decoder[min(layers)])
    before = shape_of(decoder[min(layers)])
    if shape is not None:
        require_given(shape, before, len(decoder), ratio)
        return _given_widths(survey, shape)
    even = even_widths(before, targets, ratio)
    if allocation == "uniform":
        return dict.fromkeys(layers, even)
    return _sensitive_widths(survey, layers, targets, before, even)


def _given_widths(survey: Survey, shape: str) -> dict[int, Widths]:
    """Groups go in the layers where they take least of the output of ``o_proj`` with them."""
    given, errors = SHAPES[shape], {}

    def visit(index: int, moments: Mapping[str, torch.Tensor], _: Callable[[], float]) -> None:
        layer, gone = survey.model.model.layers[index], given.before.groups - given.groups
        errors[index] = float(removal_of_groups(layer, moments["self_attn"], gone).errors[-1])

    survey.run(range(given.layers), visit)
    narrow = sorted(errors, key=errors.__getitem__)[: given.narrow]
    return {
        index: Widths(given.neurons, given.groups if index in narrow else given.before.groups)
        for index in range(given.layers)
    }


@dataclass(frozen=True)
class _Part:
    """What of a layer can lose width, in units.

    Attributes:
        name: of the module within the layer.
        count: units that it has.
        least: that it loses.
        most: that it may lose.
        even: that it would lose if all layers lost the same; at least one is tried.
        parameters: of a unit.
        removal: what losing features in order costs, of ``(layer, moments, features)``.
        prune: keeps a number of features, of ``(layer, moments, features)``.
        features: neurons, or groups, of a unit.
    """

    name: str
    count: int
    least: int
    most: int
    even: int
    parameters: int
    features: int
    removal: Callable[[Any, torch.Tensor, int], Removal]
    prune: Callable[[Any, torch.Tensor, int], Any]


def _parts(targets: Collection[str], before: LayerShape, even: Widths) -> list[_Part]:
    """The parts of a layer that are targets: attention in groups, the MLP in multiples of neurons."""
    mlp, attention = units(targets)
    step = neurons_in(even, before)
    neurons, gone = before.neurons // step, (before.neurons - even.neurons) // step
    groups, lost = before.groups, max(before.groups - even.groups, 1)
    # All groups may stay, and neurons go in their place.
    alone = gone + (before.groups - even.groups) * before.group / (step * before.neuron)
    return attention * [
        _Part("self_attn", groups, 0, groups - 1, lost, before.group, 1, removal_of_groups, prune_attention)
    ] + mlp * [
        _Part(
            "mlp",
            neurons,
            math.ceil((1 - SPREAD) * gone),
            min(math.floor((1 + SPREAD) * alone), neurons - 1),
            max(gone, 1),
            step * before.neuron,
            step,
            removal_of_neurons,
            prune_mlp,
        )
    ]


def _sensitive_widths(
    survey: Survey, layers: Collection[int], targets: Collection[str], before: LayerShape, even: Widths
) -> dict[int, Widths]:
    """Widths are dealt out by what a unit of squared error in each layer's MLP and attention was measured to cost."""
    parts = _parts(targets, before, even)
    spectra, costs, sizes, bounds = {}, {}, {}, {}
    base: list[float] = []

    def visit(index: int, moments: Mapping[str, torch.Tensor], loss: Callable[[], float]) -> None:
        layer = survey.model.model.layers[index]
        base.append(loss() if not base else base[0])
        for part in parts:
            key, inputs = f"{index} {part.name}", moments[part.name]
            curve = part.removal(layer, inputs, part.most * part.features)
            errors = curve.error(part.features * np.arange(part.most + 1))
            # The first units may not go, and are bought before any other.
            first = np.full(part.count - part.most, 1e3 * max(errors[-1], 1e-30))
            spectra[key] = np.concatenate([first, np.diff(errors)[::-1]])
            module = layer.get_submodule(part.name)
            whole = dict(module.named_children())
            part.prune(layer, inputs, (part.count - part.even) * part.features)
            lost = max(loss() - base[0], 1e-6)  # noise may make it negative
            for name, child in whole.items():
                setattr(module, name, child)
            costs[key] = lost / max(errors[part.even], 1e-30)
            sizes[key], bounds[key] = (part.parameters, 1), (part.count - part.most, part.count - part.least)

    survey.run(layers, visit)
    mlp, attention = units(targets)
    budget = len(layers) * (mlp * even.neurons * before.neuron + attention * even.groups * before.group)
    dealt = shares_by_sensitivity(spectra, costs, sizes, bounds, budget, lambda each, _, count: each * count)
    kept = {part.name: {index: dealt[f"{index} {part.name}"] * part.features for index in layers} for part in parts}
    return {
        index: Widths(
            kept.get("mlp", {}).get(index, before.neurons), kept.get("self_attn", {}).get(index, before.groups)
        )
        for index in layers
    }
