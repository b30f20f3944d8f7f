"""Perplexity with blocks that have learnt nothing, in the circuits of those that have."""

from __future__ import annotations

from typing import Any

from cayley_adapters.adapters.cayley.model import adapted_layers
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import Progress
from cayley_adapters.core.tables import IDENTITY_COLUMNS, write_table
from cayley_adapters.models.losses import perplexity_row
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.settings import Settings
from cayley_adapters.stages.adapted_model import AdaptedModel, device_arms
from cayley_adapters.stages.block_adapter import block_config
from cayley_adapters.stages.block_circuits import identity_circuits
from cayley_adapters.stages.common import axis_of

__all__ = ["run"]


def run(job: Job, settings: Settings) -> Outcome:
    """Write a row a noise scale and number of shots; none where blocks are not run as circuits."""
    from peft import get_peft_model

    config = block_config(job, settings)

    def adapt(base: Any) -> tuple[Any, dict[str, Any]]:
        model = get_peft_model(base, config).eval()
        thetas = {name: layer.cayley_theta["default"].detach() for name, layer in adapted_layers(model).items()}
        return model, identity_circuits(thetas, config, settings)

    model = AdaptedModel(job, settings, adapt, 0)
    arms = list(device_arms(settings, model.block_dim, axis_of(job, settings))) if model.circuits else []
    progress, rows = Progress(job.label), []
    for arm in arms:
        row = arm.columns | perplexity_row(model.losses(arm), model.windows)
        rows.append({"compression_ratio": job.ratio, "block_dim": model.block_dim, **row})
        progress(len(rows), len(arms), f"noise {arm.noise_scale:g}: perplexity {row['perplexity']:.4g}")
    write_table(rows, job.outputs["identity"], IDENTITY_COLUMNS)
    return Outcome()
