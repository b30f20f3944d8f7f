"""Models by the names that people know them by; tables and folders have those that configurations give them."""

from __future__ import annotations

__all__ = ["MODELS", "model_title"]

MODELS = {
    "gemma3_270m": "Gemma 3 270M",
    "llama31_8b": "Llama 3.1 8B",
    "smollm2_135m": "SmolLM2-135M",
    "smollm2_135m_hub": "SmolLM2-135M (full precision)",
    "smollm2_1b7": "SmolLM2-1.7B",
    "smollm2_360m": "SmolLM2-360M",
    "tiny_random": "tiny random model",
}
"""Name of a model that comes with the configuration → what people call it."""


def model_title(name: str) -> str:
    """The name of a model in headings and pictures.

    Args:
        name: as ``model.name`` has it; a model of the hub is named after its id, ``ORG--NAME``, any other as its files.

    Example:
        >>> model_title("smollm2_135m")
        'SmolLM2-135M'
        >>> model_title("HuggingFaceTB--SmolLM2-1.7B-Instruct")
        'SmolLM2-1.7B-Instruct'
    """
    return MODELS.get(name) or name.rsplit("--", 1)[-1] or name
