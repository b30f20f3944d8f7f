"""The training loop, and what adapters are trained for: next-token cross-entropy plus distillation."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from cayley_adapters.adapters.training.checkpoint import Checkpoint, TrainingState
from cayley_adapters.adapters.training.distillation import TeacherTargets, distillation_loss
from cayley_adapters.adapters.training.frozen import from_layer
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.placement import input_device

__all__ = ["Objective", "Recipe", "TrainingText", "descend", "require_finite", "train_adapter"]


class Objective(Protocol):
    """What a model is trained for: a loss of windows of text, which the objective knows."""

    @property
    def windows(self) -> int:
        """How many windows there are to train on."""
        ...

    def gradients(self, chosen: np.ndarray) -> dict[str, float]:
        """Add the gradient of some windows' loss to the parameters.

        Returns:
            The step's numbers, ``loss`` among them, nats a token.

        Raises:
            CayleyError: the loss is not finite.
        """
        ...

    def validation(self) -> dict[str, float] | None:
        """The same numbers on the windows kept for that, ``validation`` the loss; None if there are no such windows."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How parameters are trained with Adam.

    Attributes:
        steps: optimiser steps.
        batch_windows: windows a step.
        learning_rate: the largest step size.
        schedule: name of a schedule of transformers, such as ``linear``.
        warmup: share of the steps over which the step size rises from 0.
        warmup_steps: the steps themselves, in place of a share.
        max_grad_norm: gradients are scaled down to this norm.
        distillation: weight of the distillation loss, where there are targets.
        cross_entropy: weight of next-token cross-entropy; None is what distillation leaves of 1.
        temperature: that both distributions are taken at for distillation.
        validate_every: steps between validations, and between checkpoints.
        seed: of the order of windows.
        validate_start: whether the start is validated as well, so that it is kept where training makes it worse.
    """

    steps: int
    batch_windows: int
    learning_rate: float
    schedule: str = "linear"
    warmup: float = 0.0
    max_grad_norm: float = 1.0
    distillation: float = 0.5
    cross_entropy: float | None = None
    temperature: float = 1.0
    warmup_steps: int | None = None
    validate_every: int = 20
    seed: int = 0
    validate_start: bool = True


@dataclass(frozen=True)
class TrainingText:
    """Windows to train an adapter on, and windows to choose the best checkpoint by.

    Attributes:
        tokens: ``(windows, window)`` token ids, training windows first.
        train: how many are trained on; the others validate.
        targets: the teacher's predictions on all windows; None where nothing is distilled.
        first_layer: the decoder layer at which the model starts; 0 for all of it.
        states: ``(windows, window, hidden)`` what enters that layer, where it is not the first one; a tensor, or what
            reads parts of a file when it is sliced.
        scored: ``(windows, window)`` bool, whether a token is predicted: the others count in no loss; all are if None.
    """

    tokens: np.ndarray
    train: int
    targets: TeacherTargets | None = None
    first_layer: int = 0
    states: Any = None
    scored: np.ndarray | None = None

    def inputs(self, chosen: np.ndarray) -> dict[str, torch.Tensor]:
        """What the model is called with for some windows."""
        if self.first_layer == 0:
            return {"input_ids": torch.as_tensor(self.tokens[chosen], dtype=torch.long)}
        return {"inputs_embeds": torch.cat([self.states[int(index) : int(index) + 1] for index in chosen])}


def train_adapter(
    model: Any,
    text: TrainingText,
    recipe: Recipe,
    *,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train the parameters of ``model`` that require a gradient, and leave the best ones in it, see :func:`descend`.

    Args:
        model: a PEFT model whose base is frozen.
        text: used in an order drawn from the recipe's seed, anew for each pass.
        recipe: how.
        checkpoint: where to keep the state; it stays there until the caller has saved the result.
        progress: called with (steps done, steps, note).

    Returns:
        One record a step, ``step, learning_rate, loss, cross_entropy, distillation, gradient_norm, validation``, in
        nats a token; the last is None where nothing was validated. Step 0 is the start.

    Raises:
        CayleyError: the loss is no longer finite.
    """
    objective = _AdapterObjective(model, text, recipe)
    with from_layer(model, text.first_layer) if text.first_layer else nullcontext():
        return descend(model, objective, recipe, checkpoint=checkpoint, progress=progress)


def descend(
    model: Any,
    objective: Objective,
    recipe: Recipe,
    *,
    fused: bool = False,
    checkpoint: Checkpoint | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Train the parameters of ``model`` that require a gradient, and leave the best ones in it.

    The best are those with the lowest validation loss, the start included; the last ones where nothing validates. A
    training that was cut off goes on from its checkpoint, to the same result.

    Args:
        model: any that the objective is about.
        objective: what for.
        recipe: how.
        fused: whether all of Adam's arithmetic on a parameter is done in one pass: faster where there are many numbers.
        checkpoint: where to keep the state; it stays there until the caller has saved the result.
        progress: called with (steps done, steps, note).

    Returns:
        One record a step: ``step, learning_rate``, what the objective's gradients and validation say (``validation`` is
        None where nothing was validated) and ``gradient_norm``. Step 0 is the start.
    """
    from transformers import get_scheduler

    parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
    optimizer = torch.optim.Adam(parameters.values(), lr=recipe.learning_rate, fused=fused)
    warmup = round(recipe.warmup * recipe.steps) if recipe.warmup_steps is None else recipe.warmup_steps
    scheduler = get_scheduler(recipe.schedule, optimizer, warmup, max(recipe.steps, 1))
    state = checkpoint.load(parameters, optimizer, scheduler) if checkpoint else None
    if state is None:
        state = TrainingState(0, [], np.inf, 0, {})
        if recipe.validate_start:
            _validate(model, objective, parameters, state, {"step": 0})
    batches = _order(objective.windows, recipe)
    model.train()
    while state.step < recipe.steps:
        figures = objective.gradients(batches[state.step])
        norm = torch.nn.utils.clip_grad_norm_(parameters.values(), recipe.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step += 1
        record = {"step": state.step, "learning_rate": scheduler.get_last_lr()[0], **figures}
        record["gradient_norm"] = norm.item()
        scheduler.step()
        if state.step % recipe.validate_every == 0 or state.step == recipe.steps:
            _validate(model, objective, parameters, state, record)
            if checkpoint:
                checkpoint.save(parameters, optimizer, scheduler, state)
        else:
            state.history.append(record | {"validation": None})
        if progress:
            progress(state.step, recipe.steps, f"loss {record['loss']:.3f}, best validation {state.best_loss:.3f}")
    with torch.no_grad():
        for name, value in state.best.items():
            parameters[name].copy_(value)
    model.eval()
    return state.history


def _order(windows: int, recipe: Recipe) -> np.ndarray:
    """The windows of each step, ``(steps, batch_windows)``: every pass over the text in an order of its own."""
    generator, wanted = np.random.default_rng(recipe.seed), recipe.steps * recipe.batch_windows
    passes = [generator.permutation(windows) for _ in range(-(-wanted // windows))]
    return np.concatenate([*passes, np.empty(0, int)])[:wanted].astype(int).reshape(recipe.steps, recipe.batch_windows)


def require_finite(loss: float, key: str) -> None:
    """Stop a training that has diverged.

    Raises:
        CayleyError: the loss is not finite.
    """
    if not np.isfinite(loss):
        raise CayleyError(f"training diverged: the loss is {loss}; lower {key}")


@torch.no_grad()
def _validate(
    model: Any,
    objective: Objective,
    parameters: dict[str, torch.Tensor],
    state: TrainingState,
    record: dict[str, Any],
) -> None:
    """Measure the loss on the windows kept for it, and remember the parameters if they are the best so far."""
    model.eval()
    found = objective.validation()
    model.train()
    nothing: dict[str, float | None] = {"validation": None}
    state.history.append(record | (found or nothing))
    loss = found["validation"] if found else None
    if loss is None or loss < state.best_loss:
        state.best_loss, state.best_step = np.inf if loss is None else loss, state.step
        if state.best:  # in their place: of a whole model a second copy would be felt
            for name, value in parameters.items():
                state.best[name].copy_(value)
        else:
            state.best = {name: value.detach().clone() for name, value in parameters.items()}


@dataclass(frozen=True)
class _AdapterObjective:
    """What adapters are trained for."""

    model: Any
    text: TrainingText
    recipe: Recipe

    @property
    def windows(self) -> int:
        return self.text.train

    def gradients(self, chosen: np.ndarray) -> dict[str, float]:
        (loss, cross_entropy, divergence), _ = self._losses(chosen)
        require_finite(loss.item(), "train.learning_rate")
        loss.backward()
        figures = {"loss": loss, "cross_entropy": cross_entropy, "distillation": divergence}
        return {name: value.item() for name, value in figures.items()}

    def validation(self) -> dict[str, float] | None:
        held_out = range(self.text.train, len(self.text.tokens))
        if not held_out:
            return None
        found = [(losses[0].item(), count) for losses, count in (self._losses(np.array([i])) for i in held_out)]
        return {"validation": sum(loss * count for loss, count in found) / max(sum(count for _, count in found), 1)}

    def _losses(self, chosen: np.ndarray) -> tuple[tuple[torch.Tensor, ...], int]:
        """The whole loss, cross-entropy and divergence of some windows, nats a scored token, and how many these are."""
        model, text = self.model, self.text
        device = input_device(model)
        inputs = {name: value.to(device) for name, value in text.inputs(chosen).items()}
        flags = np.ones_like(text.tokens[chosen], bool) if text.scored is None else text.scored[chosen]
        scored = torch.as_tensor(flags[:, 1:])
        # Logits of positions that predict nothing scored are not computed, the last one's among them.
        kept = scored.any(0).nonzero()[:, 0]
        logits = model(**inputs, use_cache=False, logits_to_keep=kept.to(device)).logits
        log_probabilities = logits.float().log_softmax(-1)
        following = torch.as_tensor(text.tokens[chosen][:, 1:, None], dtype=torch.long)[:, kept].to(logits.device)
        weights, count = scored[:, kept].to(logits), int(scored.sum())
        weights = weights / max(count, 1)
        recipe, weight = self.recipe, self.recipe.cross_entropy
        if text.targets is None or recipe.distillation == 0:
            cross_entropy = -(log_probabilities.gather(-1, following)[..., 0] * weights).sum()
            return ((1 if weight is None else weight) * cross_entropy, cross_entropy, torch.zeros(())), count
        teacher, indices = (part[:, kept].to(logits.device) for part in text.targets.batch(chosen))
        # One gather for both losses: the gradient of each is as large as all logits.
        picked = log_probabilities.gather(-1, torch.cat([following, indices.long()], dim=-1))
        cross_entropy, student = -(picked[..., 0] * weights).sum(), picked[..., 1:]
        if recipe.temperature != 1:
            student = (logits.float() / recipe.temperature).log_softmax(-1).gather(-1, indices.long())
        divergence = (distillation_loss(student, teacher) * weights).sum()
        weight = 1 - recipe.distillation if weight is None else weight
        loss = weight * cross_entropy + recipe.distillation * divergence
        return (loss, cross_entropy, divergence), count
