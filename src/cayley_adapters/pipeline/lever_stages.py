"""The stages that measure levers: the part of :mod:`cayley_adapters.pipeline.table` that is about them."""

from __future__ import annotations

from cayley_adapters.pipeline.paths import CELL, COMPRESSED, DEVICE_ADAPTER, PREPARED, TABLES, TEACHER
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["LEVER_STAGES"]

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

LEVER_STAGES: tuple[Stage, ...] = (
    Stage(
        name="lever_survey",
        sentence="train blocks on all projections, by which these are ranked",
        inputs=PREPARED | COMPRESSED | TEACHER,
        outputs=SURVEY | {"history": f"{{base}}/survey/adapters/{CELL}/training.csv"},
        leaves=("train", "noise"),
        wildcards=("ratio", "block", "seed"),
        threads="train.threads",
        runs="train",
        memory_mb=3000,
        internal=True,
    ),
    # Of one cell: which, cayley_adapters.pipeline.lever_jobs says.
    Stage(
        name="lever_rank",
        sentence="rank projections by what their blocks gain and what noise in them costs",
        inputs=PREPARED | COMPRESSED | SURVEY,
        outputs={"ranking": "{base}/levers/ranking.csv"},
        leaves=(
            *("train.steps", "train.batch_windows", "train.validation_windows", "levers.ranking_windows"),
            *("evaluate.threads", "evaluate.device", "noise"),
        ),
        threads="evaluate.threads",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="lever_train",
        sentence="train the blocks of a lever, where they are not another's",
        inputs=PREPARED | COMPRESSED | TEACHER | {"ranking": "{base}/levers/{ranking}.csv"},
        outputs={
            "adapter": f"{LEVER}/adapters/{CELL}/adapter_model.safetensors",
            "adapter_config": f"{LEVER}/adapters/{CELL}/adapter_config.json",
            "history": f"{LEVER}/adapters/{CELL}/training.csv",
        },
        leaves=("train", "noise", "levers.budget"),
        wildcards=AXES,
        threads="train.threads",
        runs="train",
        memory_mb=3000,
        internal=True,
    ),
    Stage(
        name="lever_transpile",
        sentence="bring a lever's blocks to native gates, where that is not done",
        inputs=DEVICE_ADAPTER | {"exact": f"{{base}}/{{exact}}/{CELL}/angles.safetensors"},
        outputs={
            "angles": f"{LEVER}/circuits/{CELL}/angles.safetensors",
            "blocks": f"{LEVER}/circuits/{CELL}/blocks.csv",
        },
        leaves=(
            *("transpile.synthesis", "transpile.noise_scale", "transpile.compared_blocks", "transpile.threads"),
            "noise",
        ),
        wildcards=AXES,
        threads="transpile.threads",
        runs="transpile",
        internal=True,
    ),
    Stage(
        name="lever_evaluate",
        sentence="perplexity along the noise axis with a lever",
        inputs=PREPARED | COMPRESSED | DEVICE_ADAPTER | CIRCUITS | {"compressed_losses": COMPRESSED_LOSSES},
        outputs={
            "cells": f"{LEVER}/evaluations/{CELL}/cells.csv",
            "losses": f"{LEVER}/evaluations/{CELL}/losses.safetensors",
            "budget": f"{LEVER}/evaluations/{CELL}/noise_budget.csv",
        },
        leaves=(
            "model.name",
            "train",
            "transpile.synthesis",
            "evaluate",
            "noise",
            "sweep.noise_scale",
            "levers.budget",
        ),
        wildcards=AXES,
        threads="evaluate.threads",
        runs="evaluate",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="levers",
        sentence="compare levers: how far each moves the boundary, what it costs, and what its controls do",
        inputs={
            # Of the map and of every lever: ``arm`` is a cell's folder.
            "cells": "{base}/{arm}/cells.csv",
            "losses": "{base}/{arm}/losses.safetensors",
            "budgets": "{base}/{arm}/noise_budget.csv",
            "compressed": COMPRESSED_LOSSES,
            "baselines": TABLES["baselines"],
        },
        outputs={
            "table": "{base}/levers.csv",
            "costs": "{base}/levers_costs.csv",
            "goal": "{base}/levers.json",
            **paths_of(figures.LEVERS),
        },
        leaves=("evaluate.shots", "noise", "sweep.noise_scale", "train.steps"),
        rule="compare_levers",
        shows=True,
    ),
)
