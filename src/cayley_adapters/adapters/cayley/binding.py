"""What runs a layer's blocks in the place of the exact product, and whose blocks these are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from cayley_adapters.core.errors import CayleyError

__all__ = ["Binding"]

AGAIN = "call set_executor again, with an executor of the blocks that are to run, or with None for the exact product"


@dataclass(frozen=True)
class Binding:
    """An executor and the adapter that was active when it was set.

    Executors hold blocks of their own: compiled into circuits, transpiled, measured. Were they run for whatever is
    active later, the first adapter's outputs would pass for another's.

    Attributes:
        key: name of the layer.
        executor: called with ``(key, x)``.
        adapter: its name; None where none was active on the layer.
        theta: the parameters then; None for an executor that reads them from the layer at each call and says so by
            ``follows_parameters = True``.
    """

    key: str
    executor: Callable[[str, torch.Tensor], torch.Tensor]
    adapter: str | None
    theta: torch.Tensor | None

    @classmethod
    def of(
        cls,
        key: str,
        executor: Callable[[str, torch.Tensor], torch.Tensor],
        active: Sequence[str],
        parameters: Mapping[str, torch.Tensor],
    ) -> Binding:
        """Bind an executor to the one active adapter of a layer.

        Raises:
            CayleyError: several are active.
        """
        if len(active) > 1:
            raise CayleyError(
                f"{' and '.join(active)} are active on {key}; an executor runs the blocks of one adapter: "
                "set_adapter(…) with one name first"
            )
        name = active[0] if active else None
        fixed = name is not None and not getattr(executor, "follows_parameters", False)
        return cls(key, executor, name, parameters[name].detach().clone() if name and fixed else None)

    def run(self, x: torch.Tensor, name: str, theta: torch.Tensor) -> torch.Tensor:
        """Let the executor rotate ``x`` by the blocks of an adapter.

        Raises:
            CayleyError: they are not those that it was set for; or, when a gradient is asked, it has none.
        """
        if name != self.adapter:
            raise CayleyError(
                f"the executor of {self.key} was set for adapter {self.adapter!r}, and {name!r} is active; {AGAIN}"
            )
        if self.theta is not None and (self.theta.dtype != theta.dtype or not self.theta.to(theta.device).equal(theta)):
            raise CayleyError(
                f"the parameters of adapter {name!r} at {self.key} are others than when the executor was set; {AGAIN}"
            )
        y = self.executor(self.key, x)
        lost = (theta.requires_grad and self.theta is not None) or (x.requires_grad and not y.requires_grad)
        if torch.is_grad_enabled() and lost:
            y = _Constant.apply(type(self.executor).__name__, y, x, theta)  # type: ignore[no-untyped-call]  # of torch
        return y


class _Constant(torch.autograd.Function):
    """Passes values on, and says at the backward pass why they have no gradient."""

    @staticmethod
    def forward(context: Any, executor: str, y: torch.Tensor, x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        context.executor = executor
        return y.view_as(y)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[None, ...]:
        raise CayleyError(
            f"blocks run by {context.executor} have no derivative with respect to their parameters, and counts of "
            "shots none at all: train with the exact product (set_executor(model, None)) or through a smooth stand-in "
            "for the noise (cayley_adapters.simulation.surrogate.SurrogateExecutor), and evaluate under torch.no_grad()"
        )
