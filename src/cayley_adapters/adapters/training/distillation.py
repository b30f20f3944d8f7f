"""Distillation from the uncompressed model's most likely next tokens, which are computed once and kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cayley_adapters.core.files import atomic_file
from cayley_adapters.models.placement import input_device

__all__ = ["TeacherTargets", "distillation_loss", "load_targets", "save_targets", "teacher_targets"]


class TeacherTargets:
    """The teacher's most likely next tokens at each scored position.

    Args:
        log_probabilities: ``(windows, window − 1, k)`` float32, natural logarithm, over the whole vocabulary: a tensor,
            or what reads parts of a file when it is sliced.
        indices: ``(windows, window − 1, k)`` int32 token ids, likewise.
    """

    def __init__(self, log_probabilities: Any, indices: Any) -> None:
        self._log_probabilities, self._indices = log_probabilities, indices

    def batch(self, windows: Sequence[int] | np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and token ids of some windows, ``(len(windows), window − 1, k)`` each."""
        return _rows(self._log_probabilities, windows), _rows(self._indices, windows)


def _rows(stored: Any, windows: Sequence[int] | np.ndarray) -> torch.Tensor:
    return torch.cat([stored[int(index) : int(index) + 1] for index in windows])


@torch.no_grad()
def teacher_targets(
    model: Any,
    tokens: np.ndarray,
    top_k: int,
    progress: Callable[[int, int], None] | None = None,
    temperature: float = 1.0,
) -> dict[str, torch.Tensor]:
    """Run the uncompressed model over ``tokens`` ``(windows, window)`` and keep its ``top_k`` log-probabilities.

    They are those of the softmax of its logits over the temperature.
    """
    values, indices = [], []
    for index, window in enumerate(torch.as_tensor(tokens, dtype=torch.long, device=input_device(model))):
        logits = model(input_ids=window[None], use_cache=False).logits[0, :-1].float() / temperature
        best = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
        values.append((best.values - logits.logsumexp(-1, keepdim=True)).cpu())
        indices.append(best.indices.int().cpu())
        if progress:
            progress(index + 1, len(tokens))
    return {"log_probabilities": torch.stack(values), "indices": torch.stack(indices)}


def save_targets(targets: dict[str, torch.Tensor], path: Path) -> None:
    """Write targets as safetensors."""
    from safetensors.torch import save_file

    with atomic_file(path) as temporary:
        save_file(targets, temporary)


def load_targets(path: Path) -> TeacherTargets:
    """Open targets written by :func:`save_targets`: they stay on disk, and a batch reads only its windows."""
    from safetensors import safe_open

    file = safe_open(path, framework="pt")  # mapped into memory for as long as the slices live
    return TeacherTargets(file.get_slice("log_probabilities"), file.get_slice("indices"))


def distillation_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """KL(teacher ‖ student) over k + 1 outcomes: the teacher's k best tokens, and all others together.

    Lumping the rest keeps it a true divergence (zero only where the k probabilities agree) from k numbers a position.

    Args:
        student: the student's log-probabilities of the teacher's k best tokens, ``(…, k)``.
        teacher: the teacher's own.

    Returns:
        ``(…)`` of each position, nats.
    """

    def rest(kept: torch.Tensor) -> torch.Tensor:
        return torch.log1p(-kept.exp().sum(-1).clamp(max=1 - 1e-6))

    # Where k is the whole vocabulary nothing is left over, and both rests are the same constant.
    teacher_rest, student_rest = rest(teacher), rest(student)
    return (teacher.exp() * (teacher - student)).sum(-1) + teacher_rest.exp() * (teacher_rest - student_rest)
