"""Fetch the model and cut the text into windows."""

from __future__ import annotations

import json

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.corpus import build_windows, save_windows
from cayley_adapters.models.hashes import model_hashes, text_hashes
from cayley_adapters.models.named import fetch
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the model's description and all token windows; used are the model's files and the user's files of text."""
    model, data, outputs = settings.model.model_dump(mode="json"), settings.data.model_dump(mode="json"), job.outputs
    say(f"fetching model {model['name']} ({model['source']})")
    folder = fetch(model)
    say(f"model in {folder}; tokenising {data['name']}")
    windows = build_windows(data, load_tokenizer(folder))
    say(", ".join(f"{name}: {len(part.tokens)} windows" for name, part in windows.items()))
    save_windows(windows, outputs["tokens"])
    write_file(outputs["model"], json.dumps(model, indent=1) + "\n")
    return Outcome({"model": model_hashes(folder), "text": text_hashes(data)})
