"""The stages that measure levers: the part of :mod:`cayley_adapters.pipeline.table` that is about them."""

from __future__ import annotations

from cayley_adapters.pipeline.paths import CELL, COMPRESSED, DEVICE_ADAPTER, PREPARED, TABLES, TEACHER
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["LEVER_STAGES", "lever_basis"]

LEVER = "{base}/levers/{lever}"
CIRCUITS = {
    "angles": f"{{base}}/{{circuits}}/{CELL}/angles.safetensors",
    "blocks": f"{{base}}/{{circuits}}/{CELL}/blocks.csv",
}
"""A lever's circuits: its own, another lever's, or the map's."""

COMPRESSED_LOSSES = "{base}/baselines/{ratio}/losses.safetensors"
AXES = ("lever", "ratio", "block", "seed")

SURVEY = {
    "adapter": f"{{base}}/survey/adapters/{CELL}/adapter_model.safetensors",
    "adapter_config": f"{{base}}/survey/adapters/{CELL}/adapter_config.json",
}

LEVER_STAGES: dict[str, Stage] = {
    "lever_survey": Stage(
        PREPARED | COMPRESSED | TEACHER,
        SURVEY | {"history": f"{{base}}/survey/adapters/{CELL}/training.csv"},
        ("train", "noise"),
        ("ratio", "block", "seed"),
        "train blocks on all projections, by which these are ranked",
        threads="train.threads",
    ),
    # Of one cell: which, cayley_adapters.pipeline.lever_jobs says.
    "lever_rank": Stage(
        PREPARED | COMPRESSED | SURVEY,
        {"ranking": "{base}/levers/ranking.csv"},
        (
            *("train.steps", "train.batch_windows", "train.validation_windows", "levers.ranking_windows"),
            *("evaluate.threads", "evaluate.device", "noise"),
        ),
        (),
        "rank projections by what their blocks gain and what noise in them costs",
        threads="evaluate.threads",
    ),
    "lever_train": Stage(
        PREPARED | COMPRESSED | TEACHER | {"ranking": "{base}/levers/{ranking}.csv"},
        {
            "adapter": f"{LEVER}/adapters/{CELL}/adapter_model.safetensors",
            "adapter_config": f"{LEVER}/adapters/{CELL}/adapter_config.json",
            "history": f"{LEVER}/adapters/{CELL}/training.csv",
        },
        ("train", "noise", "levers.budget"),
        AXES,
        "train the blocks of a lever, where they are not another's",
        threads="train.threads",
    ),
    "lever_transpile": Stage(
        # Where circuits are only made longer, the exact ones are there.
        DEVICE_ADAPTER | {"exact": f"{{base}}/{{exact}}/{CELL}/angles.safetensors"},
        {
            "angles": f"{LEVER}/circuits/{CELL}/angles.safetensors",
            "blocks": f"{LEVER}/circuits/{CELL}/blocks.csv",
        },
        (
            *("transpile.synthesis", "transpile.noise_scale", "transpile.compared_blocks", "transpile.threads"),
            "noise",
        ),
        AXES,
        "bring a lever's blocks to native gates, where that is not done",
        threads="transpile.threads",
    ),
    "lever_evaluate": Stage(
        PREPARED | COMPRESSED | DEVICE_ADAPTER | CIRCUITS | {"compressed_losses": COMPRESSED_LOSSES},
        {
            "cells": f"{LEVER}/evaluations/{CELL}/cells.csv",
            "losses": f"{LEVER}/evaluations/{CELL}/losses.safetensors",
            "budget": f"{LEVER}/evaluations/{CELL}/noise_budget.csv",
        },
        ("model.name", "train", "transpile.synthesis", "evaluate", "noise", "sweep.noise_scale", "levers.budget"),
        AXES,
        "perplexity along the noise axis with a lever",
        threads="evaluate.threads",
    ),
    "levers": Stage(
        {
            # Of the map and of every lever: ``arm`` is a cell's folder.
            "cells": "{base}/{arm}/cells.csv",
            "losses": "{base}/{arm}/losses.safetensors",
            "budgets": "{base}/{arm}/noise_budget.csv",
            "compressed": COMPRESSED_LOSSES,
            "baselines": TABLES["baselines"],
        },
        {
            "table": "{base}/levers.csv",
            "costs": "{base}/levers_costs.csv",
            "goal": "{base}/levers.json",
            **paths_of(figures.LEVERS),
        },
        ("evaluate.shots", "noise", "sweep.noise_scale", "train.steps"),
        (),
        "compare levers: how far each moves the boundary, what it costs, and what its controls do",
    ),
}


def lever_basis(stage: str) -> str:
    """The stage of the map that does the same for one lever; the stage itself if there is none."""
    own = {
        "lever_survey": "train",
        "lever_train": "train",
        "lever_transpile": "transpile",
        "lever_evaluate": "evaluate",
    }
    return own.get(stage, stage)
