"""The stages that measure levers: the part of :mod:`cayley_adapters.pipeline.table` that is about them."""

from __future__ import annotations

from cayley_adapters.pipeline.paths import ADAPTER, BASELINE, COMPRESSED, PREPARED, TABLES
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["LEVER_STAGES"]

LEVER_STAGES: tuple[Stage, ...] = (
    # Of one cell: which, cayley_adapters.pipeline.variants says.
    Stage(
        name="rank",
        sentence="rank projections by what their blocks gain and what noise in them costs",
        inputs=PREPARED | COMPRESSED | ADAPTER,
        outputs={"ranking": "{base}/ranking/ranking.csv"},
        leaves=(
            *("train.steps", "train.batch_windows", "train.validation_windows", "levers.ranking_windows"),
            *("evaluate.threads", "evaluate.device", "noise", "heal.steps", "heal.batch_windows"),
        ),
        threads="evaluate.threads",
        memory_mb=3500,
        internal=True,
        stored=True,
    ),
    Stage(
        name="levers",
        sentence="compare levers: how far each moves the boundary, what it costs, and what its controls do",
        inputs={
            # Of the map and of every lever: ``arm`` is a cell's folder.
            "cells": "{arm}/cells.csv",
            "losses": "{arm}/losses.safetensors",
            "budgets": "{arm}/noise_budget.csv",
            "compressed": BASELINE["losses"],
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
