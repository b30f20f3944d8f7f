"""Healing: a compressed model's own weights are trained until it predicts what the uncompressed one does.

With p the uncompressed and q the compressed model's next-token probabilities, both at temperature T (softmax of the
logits over T; Hinton, Vinyals and Dean, arXiv:1503.02531, without their factor T²), the loss of a position whose next
token is t is

    w_d · KL(p_T ‖ q_T) + w_c · (−ln q_1(t)),

over the whole vocabulary. Its gradient by the logits of q is w_d (q_T − p_T) / T + w_c (q_1 − e_t), and that is what
is computed: some positions at a time, so that beside both models' logits of one window and this gradient nothing as
large is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.adapters.training.loop import require_finite
from cayley_adapters.models.compression.factored import CompressedLinear
from cayley_adapters.models.layerwise import hidden, output_logits
from cayley_adapters.models.placement import input_device

__all__ = ["HealingLoss", "HealingObjective", "Teacher", "divergence_and_gradient", "trainable"]

POSITIONS = 32
"""Positions whose losses are computed at once: their logits stay in the processor's cache."""


@dataclass(frozen=True)
class HealingLoss:
    """What a compressed model is healed for.

    Attributes:
        distillation: w_d, weight of the divergence from the uncompressed model's distribution.
        cross_entropy: w_c, weight of next-token cross-entropy.
        temperature: T, above 0.
    """

    distillation: float = 1.0
    cross_entropy: float = 0.0
    temperature: float = 1.0


class Teacher:
    """The uncompressed model's logits; windows that are met again run through its layers once.

    Args:
        model: the uncompressed model, a causal language model of transformers.
        keep: which windows are kept as what the last layer gives, ``(window − 1, hidden)`` float32 each.
    """

    def __init__(self, model: Any, keep: range) -> None:
        self._model, self._keep = model, keep
        self._states: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def logits(self, index: int, window: torch.Tensor) -> torch.Tensor:
        """Of all positions of a window but the last, ``(window − 1, vocabulary)`` float32.

        Args:
            index: of the window.
            window: its token ids, ``(1, window)``.
        """
        states = self._states.get(index)
        if states is None:
            states = self._run(window)
            if index in self._keep:
                self._states[index] = states
        return output_logits(self._model, states)[0].float()

    def _run(self, window: torch.Tensor) -> torch.Tensor:
        """What the last layer gives."""
        met: list[torch.Tensor] = []
        last = self._model.model.layers[-1]
        handle = last.register_forward_hook(lambda _, __, output: met.append(hidden(output)))
        try:
            self._model(input_ids=window, use_cache=False, logits_to_keep=1)
        finally:
            handle.remove()
        return met[0][:, :-1]


@dataclass(frozen=True)
class HealingObjective:
    """The loss of windows, see this module's text; for :func:`cayley_adapters.adapters.training.loop.descend`.

    Attributes:
        student: the compressed model.
        teacher: the uncompressed one; None where nothing is distilled.
        tokens: ``(windows, window)`` token ids, training windows first.
        windows: how many are trained on; the others validate.
        loss: weights and temperature.
        scored: ``(windows, window)`` bool, whether a token is predicted: the others count in no loss; all are if None.
    """

    student: Any
    teacher: Teacher | None
    tokens: np.ndarray
    windows: int
    loss: HealingLoss = field(default_factory=HealingLoss)
    scored: np.ndarray | None = None

    def gradients(self, chosen: np.ndarray) -> dict[str, float]:
        """Add the gradient of some windows' mean loss, one window after the other.

        Returns:
            ``loss``, ``cross_entropy`` and ``distillation`` (without their weights), nats a token.

        Raises:
            CayleyError: the loss is not finite.
        """
        found = []
        for index in chosen:
            logits, losses, gradient = self._window(int(index), True)
            require_finite(losses["loss"], "heal.learning_rate")
            logits.backward(gradient.div_(len(chosen)))
            found.append(losses)
        return _mean(found)

    def validation(self) -> dict[str, float] | None:
        """``validation`` and ``validation_cross_entropy``: the loss, and cross-entropy alone, nats a token."""
        held_out = range(self.windows, len(self.tokens))
        if not held_out:
            return None
        with torch.no_grad():
            losses = _mean([self._window(index, False)[1] for index in held_out])
        return {"validation": losses["loss"], "validation_cross_entropy": losses["cross_entropy"]}

    def _window(self, index: int, wanted: bool) -> tuple[torch.Tensor, dict[str, float], torch.Tensor]:
        """Logits of a window, its losses, and the gradient by the logits if that is wanted."""
        window = torch.as_tensor(self.tokens[[index]], dtype=torch.long, device=input_device(self.student))
        flags = np.ones_like(self.tokens[index], bool) if self.scored is None else self.scored[index]
        kept = torch.as_tensor(flags[1:].nonzero()[0], device=window.device)
        taught = self.teacher.logits(index, window)[kept] if self.teacher else None
        logits = self.student(input_ids=window, use_cache=False, logits_to_keep=kept).logits[0]
        sums, gradient = divergence_and_gradient(logits.detach(), taught, window[0, 1:][kept], self.loss, wanted)
        divergence, cross_entropy = (value / max(len(kept), 1) for value in sums)
        loss = self.loss.distillation * divergence + self.loss.cross_entropy * cross_entropy
        return logits, {"loss": loss, "cross_entropy": cross_entropy, "distillation": divergence}, gradient


def _mean(records: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([record[name] for record in records])) for name in records[0]}


@torch.no_grad()
def divergence_and_gradient(
    logits: torch.Tensor,
    taught: torch.Tensor | None,
    following: torch.Tensor,
    loss: HealingLoss,
    wanted: bool = True,
) -> tuple[tuple[float, float], torch.Tensor]:
    """Divergence and cross-entropy of some positions, and the gradient of their mean loss by the logits.

    Args:
        logits: of the compressed model, ``(positions, vocabulary)``.
        taught: of the uncompressed one; None for no divergence.
        following: the token after each position, ``(positions,)``.
        loss: weights and temperature.
        wanted: whether the gradient is.

    Returns:
        The sums over positions of KL(p_T ‖ q_T) and of −ln q_1(t), nats; and the gradient, ``(positions, vocabulary)``,
        empty where it is not wanted.
    """
    gradient = torch.empty_like(logits if wanted else logits[:0])
    divergence, cross_entropy = 0.0, 0.0
    for start in range(0, len(logits), POSITIONS):
        part = slice(start, start + POSITIONS)
        z, target = logits[part].float(), following[part, None]
        plain = z.log_softmax(-1)
        cross_entropy -= plain.gather(-1, target).sum().item()
        rows = torch.zeros_like(z) if wanted else z
        if taught is not None:
            own = plain if loss.temperature == 1 else (z / loss.temperature).log_softmax(-1)
            theirs = (taught[part] / loss.temperature).log_softmax(-1)
            p = theirs.exp()
            divergence += (p * (theirs - own)).sum().item()
            if wanted:
                rows.add_(own.exp().sub_(p), alpha=loss.distillation / loss.temperature)
        if wanted and loss.cross_entropy:
            plain = plain.exp_()
            plain.scatter_add_(-1, target, -torch.ones_like(target, dtype=plain.dtype))
            rows.add_(plain, alpha=loss.cross_entropy)
        if wanted:
            gradient[part] = rows.div_(len(logits))
    return (divergence, cross_entropy), gradient


@contextmanager
def trainable(model: Any, rank: int | None) -> Iterator[Any]:
    """Make a compressed model's weights trainable, or low-rank adapters of them, which are merged when it is left.

    Weights are trained in float32, whatever precision they have before and after. Tied embeddings stay one parameter.

    Args:
        model: of :func:`cayley_adapters.load_compressed`, changed in place.
        rank: of adapters of every matrix that a projection stores, by PEFT's LoRA; all weights are trained if None.

    Yields:
        What is to be trained.
    """
    kinds = {name: value.dtype for name, value in model.named_parameters()}
    for value in model.parameters():
        value.data = value.data.to(torch.float32, copy=True)  # they are mapped from disk
    if rank is None:
        model.requires_grad_(True)
        yield model
    else:
        from peft import LoraConfig, get_peft_model

        modules, parameters = _stored_matrices(model)
        where = LoraConfig(r=rank, lora_alpha=rank, target_modules=modules, target_parameters=parameters)
        adapted = get_peft_model(model, where)
        yield adapted
        for _ in range(2):  # PEFT takes an outer wrapper off and loses sight of one within
            adapted.merge_and_unload()
    model.requires_grad_(False)
    for name, value in model.named_parameters():
        value.data = value.data.to(kinds[name])


def _stored_matrices(model: Any) -> tuple[list[str], list[str]]:
    """What LoRA is put on: plain linear maps of the layers, those inside compressed ones too, and these ones' own."""
    layers = [(name, module) for name, module in model.named_modules() if ".layers." in name]
    plain = [name for name, module in layers if type(module) is nn.Linear]
    own = [
        f"{name}.{part}"
        for name, module in layers
        if isinstance(module, CompressedLinear)
        for part, value in module.named_parameters(recurse=False)
        if value.dim() > 1 and value.numel()
    ]
    return plain, own
