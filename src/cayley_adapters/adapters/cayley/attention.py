"""PyTorch's own multi-head attention, whose projections are parameters and no modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cayley_adapters.adapters.cayley.layer import CayleyLayer
from cayley_adapters.core.errors import CayleyError

__all__ = ["CayleyAttention"]


class CayleyAttention(CayleyLayer):
    """Wraps :class:`torch.nn.MultiheadAttention`: the inputs of its three projections are rotated by the same blocks.

    Its output projection is not adapted.
    """

    # Encoder layers that hold it would otherwise read its weights and pass it by.
    _qkv_same_embed_dim = False

    def forward(  # type: ignore[override]  # an attention's own arguments
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *args: Any,
        adapter_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        if adapter_names is not None:
            raise CayleyError(
                f"{self.key} is an attention, which takes no batches of several adapters; set_adapter(…) one"
            )
        turned: dict[int, torch.Tensor] = {}
        for x in (query, key, value):  # the same tensor stays the same tensor, for which PyTorch has a faster path
            if id(x) not in turned:
                turned[id(x)] = self._after_active(x)
        return self.base_layer(turned[id(query)], turned[id(key)], turned[id(value)], *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """What an encoder layer asks an attention: ``batch_first``, ``in_proj_bias``, ``num_heads`` and the like."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "base_layer" or name.startswith("cayley_"):  # not there yet
                raise
            return getattr(self.base_layer, name)
