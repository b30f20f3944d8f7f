"""Models as they are called: a preset, a folder, a GGUF file, or an id of the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.core.places import run_files
from cayley_adapters.models.base import check_model, load_model, load_tokenizer, locate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["about_model", "described", "fetch", "open_model", "tokenizer_of"]

_KNOWN = "_cayley_about"
"""Attribute of a model under which :func:`about_model` finds what is known of it."""


def described(name: str | Path, revision: str | None = None) -> dict[str, Any]:
    """The ``model`` group of the configuration that a name stands for.

    Args:
        name: a preset of ``conf/model``, such as ``smollm2_135m``; else a GGUF file, which is converted once; a folder;
            or an id of the hub.
        revision: of a model on the hub: a commit, tag or branch; ``main`` if None.

    Raises:
        CayleyError: it is none of these.

    Example:
        >>> described("tiny_random")["source"], described("HuggingFaceTB/SmolLM2-135M")["revision"]
        ('random', 'main')
    """
    conf = run_files() / "conf"
    defaults: dict[str, Any] = _read(conf / "config.yaml")["model"]
    presets = sorted(path.stem for path in (conf / "model").glob("*.yaml"))
    presets = [one for one in presets if _read(conf / "model" / f"{one}.yaml")["name"]]
    if str(name) in presets:
        return defaults | _read(conf / "model" / f"{name}.yaml")
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise CayleyError(f"{path} is no file; give a GGUF file, a folder, or the name of a model")
        return defaults | {"name": path.stem, "source": "gguf", "path": str(path.resolve())}
    if path.is_dir():
        folder = path.resolve()
        return defaults | {"name": folder.name, "source": "local", "path": str(folder)}
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name):
        return defaults | {"name": name, "source": "hub", "id": name, "revision": revision or "main"}
    raise CayleyError(
        f"model {show(str(name))}: no preset{suggest(str(name), presets)}; nor a folder, a GGUF file, or an id of the "
        "hub such as ORGANISATION/NAME"
    )


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def fetch(model: dict[str, Any]) -> Path:
    """The folder of a model, fetched or made if need be, and checked where strangers made it.

    Args:
        model: the ``model`` group of the configuration.

    Raises:
        CayleyError: see :func:`cayley_adapters.models.base.locate` and :func:`cayley_adapters.models.base.check_model`.
    """
    folder = locate(model)
    if model["source"] != "random":
        check_model(model, folder)
    return folder


def open_model(model: dict[str, Any]) -> PreTrainedModel:
    """Load a model, frozen and in evaluation mode, which knows its name and its tokenizer.

    Args:
        model: the ``model`` group of the configuration.

    Raises:
        CayleyError: see :func:`fetch`.
    """
    folder = fetch(model)
    found = load_model(folder, model["dtype"])
    about_model(found).update(model=model["name"], folder=str(folder))
    return found


def about_model(model: Any) -> dict[str, Any]:
    """What is known of a model, to be added to: its name, its folder, and how it was compressed.

    Args:
        model: of transformers, with adapters on it or without.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if not hasattr(base, _KNOWN):
        path = str(getattr(base.config, "name_or_path", "") or "")
        setattr(base, _KNOWN, {"model": Path(path).name if Path(path).is_dir() else path, "folder": path})
    known: dict[str, Any] = getattr(base, _KNOWN)
    return known


def tokenizer_of(model: Any) -> PreTrainedTokenizerBase:
    """The tokenizer beside the files that a model was loaded from.

    Raises:
        CayleyError: the model was not loaded from a folder, or there is none in it.

    Example:
        >>> tokenizer_of(open_model(described("tiny_random"))).decode([105, 106])
        'hi'
    """
    folder = about_model(model)["folder"]
    if not folder:
        raise CayleyError(
            f"this {type(model).__name__} was loaded from nowhere, so its tokenizer is unknown; load it with "
            "cayley_adapters.load, or give tokenizer=…"
        )
    return load_tokenizer(Path(folder))
