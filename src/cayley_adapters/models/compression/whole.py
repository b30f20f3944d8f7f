"""Compression of a model in memory, calibrated on a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression import sequential
from cayley_adapters.models.corpus import text_windows
from cayley_adapters.models.named import about_model, tokenizer_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["compress"]

M = TypeVar("M")


@overload
def compress(model: M, ratio: float, *, text: str | Sequence[str], **options: Any) -> M: ...


@overload
def compress(model: Any, ratio: float, *, text: None = None, **options: Any) -> list[dict[str, Any]]: ...


def compress(
    model: Any,
    ratio: float,
    *,
    text: str | Sequence[str] | None = None,
    window: int = 256,
    tokenizer: PreTrainedTokenizerBase | None = None,
    tokens: np.ndarray | None = None,
    method: str = "whitened_svd",
    allocation: str = "uniform",
    shape: str | None = None,
    targets: Sequence[str] = ("gate_proj", "up_proj", "down_proj"),
    layers: Sequence[int] | None = None,
    ridge: float = 1e-4,
    batch_windows: int = 8,
    progress: Callable[[int, int], None] | None = None,
    **lending: Any,
) -> Any:
    """Replace the ``targets`` of decoder layers by smaller modules, in place.

    Args:
        model: a Llama-like causal language model (``model.model.layers``).
        ratio: share of the targets' parameters to remove, 0 ≤ ratio < 1. At 0 the model is left as it is.
        text: that a method is calibrated on, one document or several. With a text, the model is returned.
        window: tokens of a window that the text is cut into.
        tokenizer: of the model; that beside its files if None.
        tokens: ``(windows, window)`` calibration token ids, in place of a text.
        method: one of :data:`cayley_adapters.models.compression.methods.METHODS`.
        allocation: ``uniform`` removes the same share of every projection, ``sensitivity`` more where the measured loss
            on the calibration text suffers less (where the method is ``shared``).
        shape: for width pruning, one of :data:`cayley_adapters.models.compression.widths.SHAPES`, in place of widths
            that the ratio gives.
        targets: last names of the projections.
        layers: indices of the decoder layers; all if None.
        ridge: white noise in the calibration data, relative to the inputs' mean power along a projection's weights.
        batch_windows: windows that go through a layer at once.
        progress: called with (layers done, layers).
        **lending: as of :func:`cayley_adapters.models.compression.sequential.compress`.

    Returns:
        The model, where a text is given; else one record a projection: ``projection, size, parameters_before,
        parameters_after, relative_error``. The error is ‖(W − W′)X‖/‖WX‖ with X the calibration inputs, or white ones,
        ‖W − W′‖/‖W‖, for methods without calibration.

    Raises:
        CayleyError: unknown method, allocation, target or layer, impossible ratio, no calibration text or one of
            another shape, a target that is no linear map, non-finite weights.

    Example:
        >>> small = compress(load("tiny_random"), ratio=0.3, text="to be or not to be, that is " * 20, window=32)
        >>> type(small.model.layers[0].mlp.up_proj).__name__
        'FactoredLinear'
        >>> records = compress(load("tiny_random"), 0.5, method="svd", targets=("up_proj",))
        >>> [(record["parameters_before"], record["parameters_after"]) for record in records]
        [(2048, 1008), (2048, 1008)]
    """
    if text is not None:
        if tokens is not None:
            raise CayleyError("text and tokens are both given; give one of them")
        tokens = text_windows(text, tokenizer or tokenizer_of(model), window).tokens
    records = sequential.compress(
        model,
        ratio,
        tokens=tokens,
        method=method,
        allocation=allocation,
        shape=shape,
        targets=targets,
        layers=layers,
        ridge=ridge,
        batch_windows=batch_windows,
        progress=progress,
        **lending,
    )
    if records:
        about_model(model).update(method=method, compression_ratio=ratio, projections=records)
    return records if text is None else model
