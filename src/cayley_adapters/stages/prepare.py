"""Fetch the model and cut the text into windows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.core.files import atomic_file, sha256
from cayley_adapters.core.messages import say
from cayley_adapters.models.base import check_model, load_tokenizer, locate
from cayley_adapters.models.corpus import build_windows, save_windows
from cayley_adapters.pipeline.jobs import Job

__all__ = ["model_hashes", "run", "text_hashes"]


def run(job: Job) -> dict[str, Any]:
    """Write the model's description and all token windows.

    Returns:
        ``model`` and ``text``: name → SHA-256 of each of the model's files, and of each of the user's files of text.
    """
    model, outputs = job.leaves["model"], job.outputs()
    say(f"fetching model {model['name']} ({model['source']})")
    folder = locate(model)
    if model["source"] in ("hub", "local"):  # the others are made by this library, from what was compared with a hash
        check_model(model, folder)
    say(f"model in {folder}; tokenising {job.leaves['data']['name']}")
    windows = build_windows(job.leaves["data"], load_tokenizer(folder))
    say(", ".join(f"{name}: {len(part.tokens)} windows" for name, part in windows.items()))
    save_windows(windows, outputs["tokens"])
    with atomic_file(outputs["model"]) as temporary:
        temporary.write_text(json.dumps(model, indent=1) + "\n", encoding="utf-8")
    return {"model": model_hashes(folder), "text": text_hashes(job.leaves["data"])}


def model_hashes(folder: Path) -> dict[str, str]:
    """Name → SHA-256 of a model's files."""
    found = sorted({path for kind in ("*.safetensors", "*.json", "*.model") for path in folder.glob(kind)})
    return {path.name: sha256(path) for path in found}


def text_hashes(data: Mapping[str, Any]) -> dict[str, str]:
    """Number and name → SHA-256 of the user's own files of text, none for the other sources."""
    found = [Path(name) for part in ("train", "test") for name in data[part] or ()]
    return {f"{number} {path.name}": sha256(path) for number, path in enumerate(found, start=1)}
