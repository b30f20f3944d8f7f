"""Models and adapters as folders: written whole, read with the distrust that files of strangers deserve."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from cayley_adapters.adapters.cayley.card import write_card
from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.loading import load_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.compression.storage import load_compressed, save_compressed
from cayley_adapters.models.files import read_json
from cayley_adapters.models.named import about_model, described, open_model

__all__ = ["LOADING", "load", "save", "write_adapter"]

LOADING = 'cayley_adapters.load_compressed("folder of the compressed model")'
"""How a compressed base model is loaded, in the words of a card."""


def load(name: str | Path, *, base: Any = None, revision: str | None = None) -> Any:
    """Load a model, or put a saved adapter on one.

    Args:
        name: a preset such as ``smollm2_135m``, an id of the hub, a GGUF file, or a folder: of a model, of one that was
            compressed, or of an adapter.
        base: the model that an adapter was trained on; for adapters only.
        revision: of a model on the hub: a commit, tag or branch; ``main`` if None.

    Returns:
        A model of transformers, or a PEFT model on ``base``; frozen, in evaluation mode, on the CPU.

    Raises:
        CayleyError: there is no such model, it cannot be reached, it is damaged, or it is no adapter of ``base``.

    Example:
        >>> import tempfile
        >>> model = load("tiny_random")
        >>> folder = tempfile.mkdtemp()
        >>> adapter = train(model, "to be or not to be, that is the question " * 20, steps=1, window=32)
        >>> save(adapter, f"{folder}/adapter")
        >>> load(f"{folder}/adapter", base=load("tiny_random")).peft_config["default"].block_dim
        4
    """
    folder = Path(name).expanduser()
    if (folder / "adapter_config.json").is_file():
        if base is None:
            raise CayleyError(
                f"{folder} holds an adapter; give the model that it was trained on as well: "
                f"load({str(name)!r}, base=model)"
            )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what PEFT asks of it
            return load_adapter(base, folder)
    if base is not None:
        raise CayleyError(f"{name} is no folder of an adapter, and base= is for these; leave it out")
    if (folder / "compression.json").is_file():
        model = load_compressed(folder)
        about_model(model).update(read_json(folder / "compression.json"), folder=str(folder.resolve()))
        return model
    return open_model(described(name, revision))


def save(model: Any, folder: str | Path) -> None:
    """Save a model for :func:`load`; of a model with adapters the adapter alone.

    A compressed model is saved with its tokenizer and what was done to it, an adapter with a card and the digest of the
    model that it belongs to.

    Args:
        model: what :func:`load`, :func:`cayley_adapters.compress` or :func:`cayley_adapters.train` gave.
        folder: appears whole or not at all, in place of what it held.

    Raises:
        CayleyError: it is the model below an adapter, with the adapter's blocks in it.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp() + "/small"
        >>> save(compress(load("tiny_random"), 0.3, text="to be or not to be " * 20, window=32), folder)
        >>> type(load(folder).model.layers[0].mlp.up_proj).__name__
        'FactoredLinear'
    """
    from peft import PeftModel

    folder, known = Path(folder).expanduser(), about_model(model)
    if isinstance(model, PeftModel):
        with atomic_directory(folder) as temporary:
            loading = LOADING if "projections" in known else f'cayley_adapters.load("{known["model"]}")'
            write_adapter(model, temporary, known["model"], base=loading)
        return
    if adapted_layers(model):
        raise CayleyError(
            "this model has adapters in it, which are no part of it; give the PEFT model, whose adapter is saved, or "
            "what its unload() returns"
        )
    source = Path(known["folder"]) if known["folder"] else None
    if "projections" in known:
        about = {name: known[name] for name in ("model", "compression_ratio", "method")}
        save_compressed(model, folder, known["projections"], about, source)
        return
    with atomic_directory(folder) as temporary:
        model.save_pretrained(temporary)
        if source:
            load_tokenizer(source).save_pretrained(temporary)


def write_adapter(
    model: Any, folder: Path, base_name: str, trained_on: str | None = None, base: str | None = None
) -> None:
    """Write the adapter of a PEFT model into a folder that is there.

    Where the base model lies is this machine's matter; its name and the digest of its weights say which it is.

    Args:
        model: the PEFT model.
        folder: for its files.
        base_name: of the model that it was trained on.
        trained_on: the text, as a sentence of the card.
        base: the expression that loads the base model, where it has no name on the hub.
    """
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.task_type = base_name, "CAUSAL_LM"
    for field in ("target_modules", "feedforward_modules"):
        if isinstance(modules := getattr(config, field, None), set):  # whose order differs from process to process
            setattr(config, field, sorted(modules))
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # PEFT's template of a model card, all blanks
    if isinstance(config, CayleyConfig):
        write_card(folder, config, trained_on, base=base)
