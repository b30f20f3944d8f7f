"""Fetch the model and cut the text into windows."""

from __future__ import annotations

import json

import numpy as np

from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.models.base import load_model, load_tokenizer
from cayley_adapters.models.corpus import build_windows
from cayley_adapters.models.hashes import model_hashes, text_hashes
from cayley_adapters.models.named import fetch
from cayley_adapters.models.proof import prove_layers
from cayley_adapters.models.windows import save_windows
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the model's description and all token windows; used are the model's files and the user's files of text.

    A model that this library did not make is checked first, and shown to be what it is when its layers run alone.
    """
    model, data, outputs = settings.model.model_dump(mode="json"), settings.data.model_dump(mode="json"), job.outputs
    say(f"fetching model {model['name']} ({model['source']})")
    folder = fetch(model)
    say(f"model in {folder}; tokenising {data['name']}")
    windows = build_windows(data, load_tokenizer(folder))
    say(", ".join(f"{name}: {len(part.tokens)} windows" for name, part in windows.items()))
    if len(np.unique(windows["test"].documents)) == 1:
        say(
            "warning: the test text is one document: intervals are drawn over its windows and hold for it alone; give "
            "several files, or say with data.separator what stands between its documents"
        )
    if model["source"] != "random":
        difference = prove_layers(load_model(folder, model["dtype"]), windows["calibration"].tokens)
        say(f"layer by layer the model is its own forward pass, to {difference:.1g} (relative)")
    save_windows(windows, outputs["tokens"])
    hashes = model_hashes(folder)
    # Whatever reads the model is given this file: the hashes tell it from another model of the same place.
    write_file(outputs["model"], json.dumps(model | {"files": hashes}, indent=1) + "\n")
    return Outcome({"model": hashes, "text": text_hashes(data)})
