"""What several stages share: finding a job's model, blocks and text, and the threads that it computes with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cayley_adapters.circuits.noise.backends import calibration_named
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.noise.hidden import Hidden, known_instead
from cayley_adapters.circuits.noise.medians import median_noise
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.job import Job
from cayley_adapters.core.reading import damaged, load_json
from cayley_adapters.models.base import load_model, locate, set_threads
from cayley_adapters.models.windows import Windows, load_windows
from cayley_adapters.settings import Model, Settings
from cayley_adapters.settings.evaluation import Evaluate, Noise
from cayley_adapters.settings.fields import explain

__all__ = [
    "axis_of",
    "base_model",
    "device_noise",
    "evaluation_windows",
    "hidden_of",
    "method_of",
    "model_dtype",
    "model_folder",
    "use_threads",
    "windows_healed_on",
]


def base_model(model_json: Path) -> Any:
    """Load the uncompressed model that ``prepare`` described, fetching it again if the cache was emptied."""
    return load_model(model_folder(model_json), model_dtype(model_json))


def model_folder(model_json: Path) -> Path:
    """Folder of the uncompressed model, its tokenizer included."""
    return locate(_described(model_json))


def model_dtype(model_json: Path) -> str:
    """Precision that the model's weights are used in, ``float32`` or ``bfloat16``."""
    return str(_described(model_json)["dtype"])


def _described(model_json: Path) -> dict[str, Any]:
    """The ``model`` group that ``prepare`` wrote down."""
    found = {name: value for name, value in load_json(model_json).items() if name != "files"}
    try:
        return Model.model_validate(found).model_dump(mode="json")
    except ValidationError as error:
        raise damaged(model_json, "; ".join(explain(error, Model.model_fields))) from error


def use_threads(count: int) -> None:
    """Compute with ``count`` threads, in Numba's kernels as far as there are as many, and in torch."""
    from numba import config as numba_config
    from numba import set_num_threads

    # In this order: numba's first call starts its OpenMP pool and thereby resets the number of threads for torch.
    set_num_threads(min(count, numba_config.NUMBA_NUM_THREADS))
    set_threads(count)


def device_noise(noise: Noise, scale: float = 1.0) -> DeviceNoise:
    """The configured device at a noise scale, with what its calibration does not say and what is known of it."""
    device = _of_medians(noise, scale) if noise.medians else _of_snapshot(noise, scale)
    other = noise.known_from
    known = None if other is None else known_instead(device.calibration, calibration_named(other))
    return replace(device, hidden=replace(hidden_of(noise), twirled=noise.twirled), known=known)


def _of_snapshot(noise: Noise, scale: float) -> DeviceNoise:
    return DeviceNoise.from_backend(noise.backend, scale, noise.layout, noise.idle)


def _of_medians(noise: Noise, scale: float) -> DeviceNoise:
    given: Any = noise.layout
    layout = (given,) if isinstance(given[0], int) else given
    return median_noise(noise.backend, **noise.medians or {}, scale=scale, layout=layout)


def hidden_of(noise: Noise) -> Hidden:
    """What the calibration does not say of the configured device."""
    return Hidden(noise.drift, noise.drift_shared, noise.coherent, noise.seed)


def evaluation_windows(tokens: Path, evaluate: Evaluate) -> Windows:
    """The test windows that perplexity is measured on.

    Raises:
        CayleyError: there are fewer, or none of their tokens is scored.
    """
    windows = load_windows(tokens, "test").overlapping(evaluate.context).first(evaluate.windows, "evaluate.windows")
    if not windows.select(windows.tokens[:, 1:]).size:
        raise CayleyError(
            f"evaluate.windows={evaluate.windows}: no token of these windows is scored, since all are of headings or "
            "stand between documents; raise evaluate.windows or data.window"
        )
    return windows


def axis_of(job: Job, settings: Settings) -> tuple[float, ...]:
    """The noise scales that a job's cell is run at: 0 alone where the uncompressed model is but a yardstick."""
    return settings.sweep.noise_scale if job.ratio or settings.evaluate.uncompressed_noise else (0.0,)


def windows_healed_on(job: Job) -> int:
    """How many windows of the training text the job's model is healed on, at most."""
    return int(job.leaves.get("heal.steps", 0) * job.leaves.get("heal.batch_windows", 0))


def method_of(job: Job) -> str:
    """The compression method that made a job's model."""
    return str(load_json(job.inputs["compression"][0], "method")["method"])
