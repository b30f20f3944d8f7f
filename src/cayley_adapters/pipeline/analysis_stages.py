"""The stages that gather what was measured, and show it."""

from __future__ import annotations

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.pipeline.paths import (
    ADAPTER,
    ANSWERS,
    BASELINE,
    BENCHMARKED,
    CIRCUITS,
    COMPRESSED,
    CONTROL_ADAPTER,
    CONTROL_ROW,
    CONTROL_TRIALS,
    EVALUATION,
    IDENTITY,
    PREPARED,
    PROVENANCE,
    QUESTION_SET,
    REFERENCE,
    REPORTED,
    TABLES,
    TRANSITION,
    TRIALS,
)
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["ANALYSIS_STAGES", "GATHERING"]

GATHERING: tuple[Stage, ...] = (
    Stage(
        name="aggregate",
        sentence="gather all cells in one table, with what they rest on",
        inputs={
            "cells": EVALUATION["cells"],
            "adapters": ADAPTER["adapter"],
            "rows": BASELINE["row"],
            "controls": CONTROL_ROW["row"],
            "reference": REFERENCE["row"],
            "identities": IDENTITY["identity"],
            "rates": TRIALS["trials"],
            "control_rates": CONTROL_TRIALS["trials"],
            # Once there are any, or where they are asked for, see cayley_adapters.pipeline.jobs.
            "device": "{base}/{device}/cells.csv",
        },
        outputs=TABLES | PROVENANCE | {"rates": "{base}/learning_rates.csv"},
        leaves=("train.learning_rate", *(f"control.{control.rate}" for control in CONTROLS.values() if control.rate)),
        internal=True,
    ),
)

ANALYSIS_STAGES: tuple[Stage, ...] = (
    Stage(
        name="phase_diagram",
        sentence="find the boundary and draw the map",
        inputs=TABLES
        | {"losses": EVALUATION["losses"], "budgets": EVALUATION["budget"], "compressed": BASELINE["losses"]},
        outputs=TRANSITION | paths_of(figures.PHASE_DIAGRAM),
        leaves=("run", "evaluate.shots", "evaluate.readout", "noise", "train.ansatz"),
        rule="draw",
        shows=True,
    ),
    Stage(
        name="scaling",
        sentence="show what the transition follows from: gain, cost, its collapse, and errors by source",
        inputs={"cells": TABLES["cells"], "budgets": EVALUATION["budget"]} | TRANSITION,
        outputs={"table": "{base}/transition.csv", "budget": "{base}/noise_budget.csv", **paths_of(figures.SCALING)},
        leaves=("noise", "train.ansatz"),
        shows=True,
    ),
    Stage(
        name="recovery",
        sentence="what blocks of each dimension recover without noise, beside the controls",
        inputs=TABLES
        | {
            "losses": EVALUATION["losses"],
            "compressed": BASELINE["losses"],
            "control_losses": CONTROL_ROW["losses"],
            "uncompressed": REFERENCE["losses"],
        },
        outputs={
            "table": "{base}/recovery.csv",
            "differences": "{base}/recovery_differences.csv",
            **paths_of(figures.RECOVERY),
        },
        leaves=("evaluate.shots",),
        shows=True,
    ),
    Stage(
        name="entanglement",
        sentence="operator Schmidt spectra of the trained blocks, beside random ones",
        inputs=ADAPTER,
        outputs={
            "table": "{base}/entanglement.csv",
            "differences": "{base}/entanglement_differences.csv",
            **paths_of(figures.ENTANGLEMENT),
        },
        leaves=("model.name",),
        rule="entanglement_spectra",
        shows=True,
    ),
    Stage(
        name="question_set",
        sentence="build or read the set of multiple-choice questions",
        inputs={"tokens": PREPARED["tokens"]},
        outputs=QUESTION_SET,
        leaves=(
            *("data.source", "data.calibration_windows"),
            *(f"questions.{name}" for name in ("source", "path", "task", "format", "limit")),
        ),
        local=True,
        internal=True,
    ),
    # Of one cell: which, cayley_adapters.pipeline.jobs says.
    Stage(
        name="answer_questions",
        sentence="put the questions to the models with and without blocks, and to LoRA",
        inputs=QUESTION_SET
        | {"model": PREPARED["model"]}
        | COMPRESSED
        | ADAPTER
        | CIRCUITS
        | {"control": CONTROL_ADAPTER["adapter"], "control_config": CONTROL_ADAPTER["adapter_config"]},
        outputs=ANSWERS,
        leaves=(
            *("model.name", "evaluate.readout", "evaluate.mitigation", "noise"),
            *(f"questions.{name}" for name in ("noise_scale", "shots", "sampled", "chosen", "temperatures")),
            *(f"questions.{name}" for name in ("texts", "new_tokens", "batch_tokens", "threads")),
        ),
        threads="questions.threads",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="questions",
        sentence="accuracy, comparisons and flips of the answers",
        inputs=QUESTION_SET | ANSWERS,
        outputs={
            "table": "{base}/questions.csv",
            "comparisons": "{base}/question_comparisons.csv",
            "flips": "{base}/question_flips.csv",
            "samples": "{base}/question_samples.csv",
            **paths_of(figures.QUESTIONS),
        },
        leaves=("questions.temperatures", "questions.draws"),
        rule="compare_answers",
        shows=True,
    ),
    # Of chosen cells: which, cayley_adapters.pipeline.jobs says.
    Stage(
        name="ask_benchmarks",
        sentence="put tasks of lm-evaluation-harness to the models with and without blocks, and to LoRA",
        inputs={"model": PREPARED["model"]}
        | COMPRESSED
        | ADAPTER
        | CIRCUITS
        | {"control": CONTROL_ADAPTER["adapter"], "control_config": CONTROL_ADAPTER["adapter_config"]},
        outputs=BENCHMARKED,
        leaves=(
            *("model.name", "evaluate.mitigation", "evaluate.uncompressed_noise", "noise"),
            *(f"benchmarks.{name}" for name in ("tasks", "include", "limit", "num_fewshot", "noise_scale", "shots")),
            *(f"benchmarks.{name}" for name in ("readout", "chosen", "temperatures", "draws", "threads", "device")),
        ),
        threads="benchmarks.threads",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="benchmarks",
        sentence="scores, comparisons and flips on tasks of lm-evaluation-harness",
        inputs=BENCHMARKED,
        outputs={
            "table": "{base}/benchmarks.csv",
            "comparisons": "{base}/benchmark_comparisons.csv",
            "flips": "{base}/benchmark_flips.csv",
            **paths_of(figures.BENCHMARKS),
        },
        leaves=("benchmarks.tasks",),
        rule="compare_benchmarks",
        shows=True,
    ),
    Stage(
        name="report",
        sentence="gather tables, pictures, methods and environment on one page",
        inputs={"config": "{base}/config.yaml", "model": PREPARED["model"], **PROVENANCE, **TRANSITION, **REPORTED},
        outputs={"report": "{base}/report.html"},
        rule="write_report",
        shows=True,
    ),
    Stage(
        name="dashboard",
        sentence="make the W&B workspace and report, and publish them if track.mode=online",
        inputs={"cells": TABLES["cells"], "baselines": TABLES["baselines"]} | TRANSITION,
        outputs={"definition": "{base}/dashboard.json"},
        leaves=("run", "experiment", "track", "train.validation_windows"),
        rule="publish_dashboard",
        local=True,
        shows=True,
    ),
    # Of all variants: its base is the run's folder, one level above their own. ``map`` is the folder of one of them,
    # ``arm`` that of a cell's evaluation, and ``plain`` that of a compressed model's.
    Stage(
        name="compare",
        sentence="compare the maps of a run's variants, or of any results folders",
        inputs={
            "configs": "{map}/config.yaml",
            "cells": "{map}/phase_diagram.csv",
            "baselines": "{map}/baselines.csv",
            "transitions": "{map}/transition.json",
            "tokens": "{prepared}/prepared/tokens.safetensors",
            "rows": "{arm}/cells.csv",
            "losses": "{arm}/losses.safetensors",
            "plain_rows": "{plain}/baselines.csv",
            "compressed": "{plain}/losses.safetensors",
        },
        outputs={
            "table": "{base}/comparison.csv",
            "differences": "{base}/comparison_differences.csv",
            **paths_of(figures.COMPARE),
        },
        shows=True,
    ),
)
