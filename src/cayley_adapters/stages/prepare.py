"""Fetch the model and cut the text into windows."""

from __future__ import annotations

import json

from cayley_adapters.corpus import build_windows, save_windows
from cayley_adapters.files import atomic_file
from cayley_adapters.layout import Job
from cayley_adapters.models import check_model, load_tokenizer, locate
from cayley_adapters.progress import say

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the model's description and all token windows."""
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
