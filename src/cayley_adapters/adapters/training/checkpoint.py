"""What a training needs to go on after a kill as if nothing had happened."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_file
from cayley_adapters.models.weights import Weights

__all__ = ["Checkpoint", "TrainingState"]


@dataclass
class TrainingState:
    """A training between two steps.

    Attributes:
        step: steps done.
        history: one record a step.
        best_loss: the lowest validation loss so far.
        best_step: the step after which it was that.
        best: the parameters that had it, by name.
    """

    step: int
    history: list[dict[str, Any]]
    best_loss: float
    best_step: int
    best: dict[str, torch.Tensor]


class Checkpoint:
    """A file that holds a training's state, replaced as a whole.

    Args:
        path: the file.
        key: what the training is made from; a file with another key is not used.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key

    def save(
        self,
        parameters: Mapping[str, torch.Tensor],
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        state: TrainingState,
    ) -> None:
        """Write everything that the next step depends on."""
        from safetensors.torch import save_file

        tensors = {f"parameter/{name}": value.detach() for name, value in parameters.items()}
        if state.best_step != state.step:  # else they are the parameters themselves
            tensors |= {f"best/{name}": value for name, value in state.best.items()}
        for index, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
        about = {"key": self._key, "step": state.step, "history": state.history, "best_loss": state.best_loss}
        about["best_step"] = state.best_step
        about["scheduler"] = scheduler.state_dict()
        # A tensor, since the header of a file has a largest size; the generator's state, for models with dropout.
        tensors["about"] = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
        tensors["generator"] = torch.get_rng_state()
        with atomic_file(self._path) as temporary:
            save_file({name: value.contiguous() for name, value in tensors.items()}, temporary)

    def load(
        self,
        parameters: Mapping[str, torch.Tensor],
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
    ) -> TrainingState | None:
        """Restore what :meth:`save` wrote; None where there is nothing of this training, or nothing readable."""
        if not self._path.is_file():
            return None
        try:
            weights = Weights([self._path])
            tensors = weights.tensors(weights.files)
            about = json.loads(tensors.pop("about").numpy().tobytes())
            if about["key"] != self._key:
                return None
            # Nothing is changed before all is known to be there: a training that goes on from half a state is none.
            if about["best_step"] == about["step"]:
                tensors |= {f"best/{name}": tensors[f"parameter/{name}"].clone() for name in parameters}
            for name, parameter in parameters.items():
                for kind in ("parameter", "best"):
                    if tensors[f"{kind}/{name}"].shape != parameter.shape:
                        return None
        except (CayleyError, ValueError, KeyError, TypeError, RecursionError):
            return None
        torch.set_rng_state(tensors.pop("generator"))
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(tensors[f"parameter/{name}"])
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            kind, *rest = name.split("/")
            if kind == "optimizer":
                moments.setdefault(int(rest[0]), {})[rest[1]] = value
        groups = optimizer.state_dict()["param_groups"]
        scheduler.load_state_dict(about["scheduler"])
        for group, rate in zip(groups, about["scheduler"]["_last_lr"], strict=True):
            group["lr"] = rate
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        best = {name.removeprefix("best/"): value for name, value in tensors.items() if name.startswith("best/")}
        return TrainingState(about["step"], about["history"], about["best_loss"], about["best_step"], best)

    def remove(self) -> None:
        """Delete the file, once what it was kept for is in place, and the folders that it leaves empty."""
        self._path.unlink(missing_ok=True)
        with suppress(OSError):
            os.removedirs(self._path.parent)
