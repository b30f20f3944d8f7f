"""Training of adapters: next-token cross-entropy plus distillation from the uncompressed model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cayley_adapters.errors import CayleyError
from cayley_adapters.files import atomic_file

__all__ = ["TeacherTargets", "distillation_loss", "load_targets", "save_targets", "teacher_targets", "train_adapter"]


@dataclass(frozen=True)
class TeacherTargets:
    """The teacher's most likely next tokens at each scored position.

    Attributes:
        log_probabilities: ``(windows, window − 1, k)`` float32, natural logarithm, over the whole vocabulary.
        indices: ``(windows, window − 1, k)`` int32 token ids.
    """

    log_probabilities: torch.Tensor
    indices: torch.Tensor


@torch.no_grad()
def teacher_targets(
    model: Any, tokens: np.ndarray, top_k: int, progress: Callable[[int, int], None] | None = None
) -> TeacherTargets:
    """Run the uncompressed model over ``tokens`` ``(windows, window)`` and keep its ``top_k`` log-probabilities."""
    values, indices = [], []
    for index, window in enumerate(torch.as_tensor(tokens, dtype=torch.long)):
        logits = model(input_ids=window[None], use_cache=False).logits[0, :-1]
        best = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
        values.append(best.values - logits.logsumexp(-1, keepdim=True))
        indices.append(best.indices.int())
        if progress:
            progress(index + 1, len(tokens))
    return TeacherTargets(torch.stack(values), torch.stack(indices))


def save_targets(targets: TeacherTargets, path: Path) -> None:
    """Write targets as safetensors."""
    from safetensors.torch import save_file

    with atomic_file(path) as temporary:
        save_file({"log_probabilities": targets.log_probabilities, "indices": targets.indices}, temporary)


def load_targets(path: Path) -> TeacherTargets:
    """Read targets written by :func:`save_targets`."""
    from safetensors.torch import load_file

    stored = load_file(path)
    return TeacherTargets(stored["log_probabilities"], stored["indices"])


def distillation_loss(log_probabilities: torch.Tensor, teacher: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) over k + 1 outcomes: the teacher's k best tokens, and all others together.

    Lumping the rest keeps it a true divergence (zero only where the k probabilities agree) from k numbers a position.

    Args:
        log_probabilities: the student's, ``(…, vocabulary)``.
        teacher: log-probabilities of the k best tokens, ``(…, k)``.
        indices: their ids, ``(…, k)``.

    Returns:
        Mean over positions, nats.
    """
    student = log_probabilities.gather(-1, indices.long())

    def rest(kept: torch.Tensor) -> torch.Tensor:
        return torch.log1p(-kept.exp().sum(-1).clamp(max=1 - 1e-6))

    # Where k is the whole vocabulary nothing is left over, and both rests are the same constant.
    teacher_rest, student_rest = rest(teacher), rest(student)
    divergence = (teacher.exp() * (teacher - student)).sum(-1) + teacher_rest.exp() * (teacher_rest - student_rest)
    return divergence.mean()


def train_adapter(
    model: Any,
    tokens: np.ndarray,
    targets: TeacherTargets | None,
    *,
    steps: int,
    batch_windows: int,
    learning_rate: float,
    distillation: float,
    seed: int,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, float]]:
    """Train the parameters of ``model`` that require a gradient, with Adam and a linear decay to zero.

    Args:
        model: a PEFT model whose base is frozen.
        tokens: training windows ``(steps · batch_windows or more, window)``; used in an order drawn from ``seed``.
        targets: of the same windows, or None where ``distillation`` is 0.
        steps: optimiser steps.
        batch_windows: windows a step.
        learning_rate: the first step's.
        distillation: weight of the distillation loss; cross-entropy has the rest.
        seed: of the order of windows.
        progress: called with (steps done, steps, note).

    Returns:
        One record a step: ``step, learning_rate, loss, cross_entropy, distillation``, in nats a token.

    Raises:
        CayleyError: the loss is no longer finite.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=max(steps, 1))
    order = np.random.default_rng(seed).permutation(len(tokens))
    history = []
    model.train()
    for step in range(steps):
        chosen = order[np.arange(step * batch_windows, (step + 1) * batch_windows) % len(order)]
        batch = torch.as_tensor(tokens[chosen], dtype=torch.long)
        log_probabilities = model(input_ids=batch, use_cache=False).logits[:, :-1].float().log_softmax(-1)
        cross_entropy = torch.nn.functional.nll_loss(log_probabilities.flatten(0, 1), batch[:, 1:].flatten())
        loss, divergence = (1 - distillation) * cross_entropy, torch.zeros(())
        if targets is not None and distillation > 0:
            kept, indices = targets.log_probabilities[chosen], targets.indices[chosen]
            divergence = distillation_loss(log_probabilities, kept, indices)
            loss = loss + distillation * divergence
        if not torch.isfinite(loss):
            raise CayleyError(
                f"training diverged at step {step + 1}: the loss is {loss.item()}; lower train.learning_rate"
            )
        record = {"step": step + 1, "learning_rate": optimizer.param_groups[0]["lr"], "loss": loss.item()}
        history.append(record | {"cross_entropy": cross_entropy.item(), "distillation": divergence.item()})
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress:
            progress(step + 1, steps, f"loss {loss.item():.3f}")
    model.eval()
    return history
