"""Shots of a model that answers requests: each request has a stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cayley_adapters.simulation.executors import Executor, NoisyExecutor

__all__ = ["by_request"]


def by_request(executor: Executor, seed: int) -> Callable[[Sequence[int]], None] | None:
    """What begins the stream of a request's shots, so that they hang on no other request.

    Args:
        executor: of the model's blocks.
        seed: of the job; the same request has the same shots at every noise scale.

    Returns:
        Called with what tells a request from all others, whole numbers from 0; None where nothing is drawn for it:
        in exact arithmetic, or where blocks were measured once for all.

    Example:
        >>> import numpy as np, torch
        >>> run = NoisyExecutor({"o_proj": np.array([[[0.6, -0.8], [0.8, 0.6]]])}, shots=100)
        >>> begin, x = by_request(run, 0), torch.tensor([[0.6, 0.8]])
        >>> def answer(request):
        ...     begin(request)
        ...     return run("o_proj", x).tolist()
        >>> answer([5]) == answer([5]), answer([5]) == answer([6])
        (True, False)
    """
    if not isinstance(executor, NoisyExecutor):
        return None

    def begin(request: Sequence[int]) -> None:
        # With the length before it no request is another one with noughts behind.
        executor.draw_from(np.random.SeedSequence([seed, len(request), *request]))

    return begin
