"""The answers of each arm: models without adapters, with blocks in exact arithmetic and under noise, with LoRA."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cayley_adapters.adapters.cayley.loading import load_adapter, read_adapter
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.adapters.training.controls import free_parameters
from cayley_adapters.adapters.training.fitting import told_dimension
from cayley_adapters.circuits.files import load_circuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.job import Job, manifest_columns
from cayley_adapters.core.messages import Progress, say
from cayley_adapters.core.tables import write_table
from cayley_adapters.models.base import load_tokenizer
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.questions.items import load_set
from cayley_adapters.questions.sampling import disagreement, generate_texts
from cayley_adapters.questions.scoring import encode_set, log_likelihoods
from cayley_adapters.questions.tables import ARM_COLUMNS, TEXT_COLUMNS, Marked
from cayley_adapters.settings import Settings
from cayley_adapters.simulation.arms import EXACT, Arm, make_executor
from cayley_adapters.stages.common import base_model, device_noise, model_folder, use_threads

__all__ = ["run"]


@dataclass(frozen=True)
class Bases:
    """The two models that all arms are made of, each loaded once."""

    uncompressed: Any
    compressed: Any


def run(job: Job, settings: Settings) -> Outcome:
    """Write the arms, the log-likelihood of every choice for each of them, and texts for some questions."""
    inputs, outputs, asking = job.inputs, job.outputs, settings.questions
    use_threads(asking.threads)
    items = load_set(inputs["questions"][0], inputs["about"][0])[0].items
    if beyond := [number for number in asking.chosen if number >= len(items)]:
        raise CayleyError(f"questions.chosen=[{beyond[0]}]: there are {len(items)} questions, 0 to {len(items) - 1}")
    folder = model_folder(inputs["model"][0])
    tokenizer = load_tokenizer(folder)
    encoded = encode_set(tokenizer, items, _longest(folder))

    bases = Bases(base_model(inputs["model"][0]), load_compressed(inputs["compressed"][0].parent))
    arms, found = [], []
    for arm, model in _arms(job, settings, bases):
        progress = Progress(f"{job.label} {arm['arm']}")
        found.append(log_likelihoods(model, encoded, asking.batch_tokens, progress))
        arms.append(arm)
    log_likelihood = np.stack(found)
    chosen = list(asking.chosen)
    if not chosen:
        chosen = disagreement(Marked(items, log_likelihood).right, asking.sampled).tolist()
    texts = _texts(job, settings, bases, tokenizer, [items[number].prompt for number in chosen], chosen)
    write_table(arms, outputs["arms"], ARM_COLUMNS)
    write_table(texts, outputs["texts"], TEXT_COLUMNS)
    given = {"log_likelihood": log_likelihood, "chosen": np.array(chosen, dtype=np.int64)}
    save_arrays(given, outputs["answers"])
    return Outcome()


def _texts(
    job: Job, settings: Settings, bases: Bases, tokenizer: Any, prompts: list[str], numbers: list[int]
) -> list[dict[str, Any]]:
    rows, asking = [], settings.questions
    for arm, model in _arms(job, settings, bases) if prompts else ():
        for place, temperature in enumerate(asking.temperatures):
            written = generate_texts(
                model, tokenizer, prompts, temperature, asking.texts, asking.new_tokens, seed=place
            )
            rows += [
                {"arm": arm["arm"], "number": number, "temperature": temperature, "draw": draw, "text": text}
                for number, of_prompt in zip(numbers, written, strict=True)
                for draw, text in enumerate(of_prompt)
            ]
        told = f"{len(prompts)} questions answered freely at {len(asking.temperatures)} temperatures"
        say(f"{job.label} {arm['arm']}: {told}")
    return rows


def _arms(job: Job, settings: Settings, bases: Bases) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each arm and its model, ready to answer; adapters are taken off the compressed model again."""
    inputs = job.inputs
    cell = manifest_columns("/".join(job.axes[axis][0] for axis in ("ratio", "block", "seed")))
    ratio, seed = float(cell["compression_ratio"]), int(cell["seed"])
    none = {"model": settings.model.name, "shots": math.inf, "adapter_parameters": 0}
    yield none | {"arm": "uncompressed", "method": "uncompressed", "compression_ratio": 0.0}, bases.uncompressed

    none |= {"compression_ratio": ratio}
    model = load_adapter(bases.compressed, inputs["adapter"][0].parent)
    with model.disable_adapter():
        yield none | {"arm": "compressed", "method": "compressed"}, model
    blocks, d = trained_blocks(model), told_dimension(model)
    parameters = sum(layer.cayley_theta["default"].numel() for layer in adapted_layers(model).values())
    common = none | {"method": "cayley", "block_dim": d, "adapter_parameters": parameters}
    circuits = load_circuits(inputs["angles"][0])
    device = device_noise(settings.noise)
    for name, arm in _executions(settings):
        if arm.executor == "noisy" and arm.noise_scale and not set(blocks) <= set(circuits):
            say(f"{name} is left out: these blocks have no circuits that noise could act on")
            continue
        set_executor(model, make_executor(arm, blocks, circuits, device, seed))
        on = {"mitigation": None} if arm == EXACT else {"backend": settings.noise.backend}
        yield common | {"arm": name} | arm.columns | on, model
    model.unload()

    if not inputs["control"]:
        say(f"lora is left out: none is trained that matches d = {d}; type control.methods=[lora,…] for one")
        return
    adapter = inputs["control"][0]
    model = load_adapter(bases.compressed, adapter.parent)
    about = {"arm": "lora", "method": "lora", "block_dim": d}
    yield none | about | {"adapter_parameters": free_parameters(read_adapter(adapter.parent)[1])}, model
    model.unload()


def _executions(settings: Settings) -> Iterator[tuple[str, Arm]]:
    """How blocks are run: exact arithmetic, then the readout of the map at each noise scale."""
    yield "blocks_exact", EXACT
    options, shots = settings.evaluate, float(settings.questions.shots)
    for scale in settings.questions.noise_scale:
        yield f"blocks_noise{scale:g}", Arm("noisy", options.readout, scale, shots, options.mitigation)


def _longest(folder: Path) -> int | None:
    """Tokens that the model can read, all of them seeing each other."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    limits = [getattr(config, name, None) for name in ("max_position_embeddings", "sliding_window")]
    return min((limit for limit in limits if limit), default=None)
