"""Low-rank compression of a model's projections, whitened by calibration activations.

A projection W (out, in) becomes two smaller factors, W' = up · down, of rank r. With the Gram matrix G = X Xᵀ of its
inputs X (in, tokens), the W' of rank r that minimises ‖(W − W')X‖ is U Uᵀ W, where U holds the leading eigenvectors of
W G Wᵀ, the outputs' Gram matrix: truncated SVD of the whitened weight W·L, G = L Lᵀ, as in SVD-LLM (arXiv:2403.07378).

Layers are compressed in order, each calibrated with what the already compressed layers below it produce, and only one
layer's statistics are held at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from cayley_adapters.errors import CayleyError
from cayley_adapters.files import atomic_directory
from cayley_adapters.models import projections

__all__ = ["FactoredLinear", "compress", "load_compressed", "rank_for", "save_compressed", "whitened_factors"]


class FactoredLinear(nn.Module):
    """A linear map stored as two factors: y = up(down(x)), ``(…, in) → (…, out)``.

    Args:
        in_features, out_features: as of :class:`torch.nn.Linear`.
        rank: inner dimension.
        bias: whether ``up`` carries a bias.
    """

    def __init__(self, in_features: int, out_features: int, rank: int, bias: bool = False) -> None:
        super().__init__()
        self.in_features, self.out_features, self.rank = in_features, out_features, rank
        self.down = nn.Linear(in_features, rank, bias=False)
        self.up = nn.Linear(rank, out_features, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.down(x))

    @property
    def weight(self) -> torch.Tensor:
        """The dense ``(out, in)`` product, made on demand."""
        return self.up.weight @ self.down.weight

    @property
    def bias(self) -> torch.Tensor | None:
        """The bias of the outer factor."""
        return self.up.bias

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, rank={self.rank}"


def rank_for(in_features: int, out_features: int, ratio: float) -> int:
    """Largest rank whose factors remove at least the share ``ratio`` of a projection's parameters.

    Raises:
        CayleyError: not even rank 1 is that small.
    """
    rank = int((1 - ratio) * in_features * out_features / (in_features + out_features) + 1e-9)
    if rank < 1:
        raise CayleyError(
            f"compression_ratio={ratio} leaves no rank for a {out_features}×{in_features} projection; "
            f"use at most {1 - (in_features + out_features) / (in_features * out_features):.4f}."
        )
    return rank


def whitened_factors(
    weight: torch.Tensor, gram: torch.Tensor, rank: int, ridge: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Best rank-``rank`` factors of ``weight`` for its calibration data.

    Args:
        weight: W, ``(out, in)``.
        gram: over calibration tokens, X Xᵀ ``(in, in)`` of the inputs where in < out, else Y Yᵀ ``(out, out)`` of the
            outputs Y = WX: whichever is the smaller says all that is needed.
        rank: 1 … min(in, out).
        ridge: white noise added to the inputs, relative to their mean power along W, so that directions which
            calibration never excites keep a little weight.

    Returns:
        up ``(out, rank)``, down ``(rank, in)``, and the relative error ‖(W − W')X‖ / ‖WX‖.

    Raises:
        CayleyError: a weight or an activation is not finite.
    """
    w, g = weight.double(), gram.double()
    if not (torch.isfinite(w).all() and torch.isfinite(g).all()):
        raise CayleyError(
            "a projection has weights or calibration activations that are not finite; is the model whole?"
        )
    of_inputs = w.shape[1] < w.shape[0]
    power = ((w @ g) * w).sum() if of_inputs else g.trace()  # ‖WX‖²
    noise = ridge * (power / w.square().sum() if power > 0 else 1.0)
    if of_inputs:
        # Right singular vectors of the whitened weight W·L, with L Lᵀ = G + noise, from its (in, in) Gram matrix.
        whitened = w @ torch.linalg.cholesky(g + noise * torch.eye(len(g), dtype=g.dtype))
        right = torch.linalg.eigh(whitened.T @ whitened).eigenvectors[:, -rank:]
        basis = torch.linalg.qr(whitened @ right).Q
    else:
        basis = torch.linalg.eigh(g + noise * w @ w.T).eigenvectors[:, -rank:]
    down = basis.T @ w
    kept = ((down @ g) * down).sum() if of_inputs else ((g @ basis) * basis).sum()  # ‖W'X‖²
    error = float(torch.sqrt(torch.clamp(1 - kept / power, min=0.0))) if power > 0 else 0.0
    return basis.to(weight.dtype), down.to(weight.dtype), error


@torch.no_grad()
def compress(
    model: nn.Module,
    ratio: float,
    *,
    tokens: np.ndarray,
    targets: Sequence[str] = ("gate_proj", "up_proj", "down_proj"),
    ridge: float = 1e-4,
    batch_windows: int = 8,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Replace the ``targets`` of every decoder layer by :class:`FactoredLinear`, in place.

    Args:
        model: a Llama-like causal language model (``model.model.layers``).
        ratio: share of the targets' parameters to remove, 0 ≤ ratio < 1. At 0 the model is left as it is.
        tokens: ``(windows, window)`` calibration token ids.
        targets: last names of the projections.
        ridge: see :func:`whitened_factors`.
        batch_windows: windows that go through a layer at once.
        progress: called with (layers done, layers).

    Returns:
        One record a projection: ``projection, rank, parameters_before, parameters_after, relative_error``.

    Raises:
        CayleyError: unknown target, impossible ratio, non-finite weights.
    """
    modules = projections(model, tuple(targets))
    ranks = {name: rank_for(module.in_features, module.out_features, ratio) for name, module in modules.items()}
    if ratio == 0:
        return []
    layers = model.model.layers
    batches, kwargs = _layer_inputs(model, np.array_split(tokens, -(-len(tokens) // batch_windows)))
    records = []
    for index, layer in enumerate(layers):
        prefix = f"model.layers.{index}."
        mine = {name: module for name, module in modules.items() if name.startswith(prefix)}
        grams, advance = _observe(layer, mine, batches, kwargs)
        for name, module in mine.items():
            up, down, error = whitened_factors(module.weight, grams[name], ranks[name], ridge)
            factored = FactoredLinear(module.in_features, module.out_features, ranks[name], module.bias is not None)
            factored.down.weight.data, factored.up.weight.data = down, up
            if module.bias is not None:
                factored.up.bias.data = module.bias.data
            model.set_submodule(name, factored.requires_grad_(False).eval())
            records.append(
                {
                    "projection": name,
                    "rank": ranks[name],
                    "parameters_before": module.weight.numel(),
                    "parameters_after": up.numel() + down.numel(),
                    "relative_error": error,
                }
            )
        if index + 1 < len(layers):
            batches = advance()
        if progress:
            progress(index + 1, len(layers))
    return records


def save_compressed(model: Any, folder: Path, records: Sequence[dict[str, Any]], about: dict[str, Any]) -> None:
    """Save a compressed model: safetensors, ``config.json`` and ``compression.json`` with each projection's rank."""
    from safetensors.torch import save_file

    with atomic_directory(folder) as temporary:
        model.config.save_pretrained(temporary)
        # A tied output embedding shares its storage with the input embedding and is tied again after loading.
        tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
        state = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
        save_file(state, temporary / "model.safetensors", metadata={"format": "pt"})
        description = about | {"projections": list(records)}
        (temporary / "compression.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_compressed(folder: Path) -> Any:
    """Load a model written by :func:`save_compressed`, frozen and in evaluation mode.

    Raises:
        CayleyError: a file is missing or does not fit the others.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.initialization import no_init_weights

    try:
        config = AutoConfig.from_pretrained(folder)
        description = json.loads((folder / "compression.json").read_text(encoding="utf-8"))
        with no_init_weights():
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
            for record in description["projections"]:
                old = model.get_submodule(record["projection"])
                new = FactoredLinear(old.in_features, old.out_features, record["rank"], old.bias is not None)
                model.set_submodule(record["projection"], new)
        missing, unexpected = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False, assign=True)
        if set(missing) - {"lm_head.weight"} or unexpected:
            raise CayleyError(f"{folder}: weights do not fit compression.json ({missing[:2]} {unexpected[:2]})")
    except (OSError, ValueError, KeyError, SafetensorError, AttributeError, RuntimeError) as error:
        raise CayleyError(f"{folder} is no compressed model: {error}. Make it again with `cayley compress`.") from error
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _hidden(output: Any) -> torch.Tensor:
    """Decoder layers return hidden states alone or first in a tuple, depending on the architecture."""
    return output[0] if isinstance(output, tuple) else output


def _layer_inputs(model: Any, batches: Sequence[np.ndarray]) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """Hidden states that enter the first decoder layer, with the keyword arguments every layer gets."""
    caught: list[torch.Tensor] = []
    keywords: dict[str, Any] = {}

    class Caught(Exception):
        pass

    def catch(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        caught.append(args[0] if args else kwargs.pop("hidden_states"))
        keywords.update(kwargs)
        raise Caught

    handle = model.model.layers[0].register_forward_pre_hook(catch, with_kwargs=True)
    try:
        for batch in batches:
            try:
                model(input_ids=torch.as_tensor(batch, dtype=torch.long), use_cache=False)
            except Caught:
                continue
    finally:
        handle.remove()
    # A causal mask is made anew from positions; what was caught depends on the window only, not on the batch.
    return caught, keywords


def _observe(
    layer: nn.Module, modules: dict[str, nn.Module], batches: Sequence[torch.Tensor], kwargs: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], Callable[[], list[torch.Tensor]]]:
    """Run a layer and watch the modules that are to be compressed.

    Returns:
        The Gram matrix that :func:`whitened_factors` wants of each module, and a function that gives the hidden states
        after the layer once its modules have been replaced.
    """
    grams: dict[str, torch.Tensor] = {}
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # holds each input itself: a freed one's id would be used again
    through: list[tuple[torch.Tensor, torch.Tensor]] = []

    def hook(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def collect(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if module.in_features < module.out_features:
                gram = next((gram for x, gram in seen if x is args[0]), None)  # gate and up share their input
                if gram is None:
                    gram = _gram(args[0])
                    seen.append((args[0], gram))
            else:
                gram = _gram(output if module.bias is None else output - module.bias)
            grams[name] = grams[name] + gram if name in grams else gram

        return collect

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    handles.append(layer.mlp.register_forward_hook(lambda _, args, output: through.append((args[0], output))))
    states = []
    try:
        for batch in batches:
            seen.clear()
            states.append(_hidden(layer(batch, **kwargs)))
    finally:
        for handle in handles:
            handle.remove()

    def advance() -> list[torch.Tensor]:
        if all(".mlp." in name for name in modules):  # attention is as it was: only the layer's last step changes
            return [state - old + layer.mlp(x) for state, (x, old) in zip(states, through, strict=True)]
        return [_hidden(layer(batch, **kwargs)) for batch in batches]

    return grams, advance


def _gram(x: torch.Tensor) -> torch.Tensor:
    """Sum over tokens of x xᵀ: ``(…, features)`` → float64 ``(features, features)``."""
    flat = x.flatten(0, -2)
    return (flat.T @ flat).double()
