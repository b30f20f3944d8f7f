"""Which stages there are, what each reads and writes, and which leaves of the configuration it may see.

The Snakefile's rules and the ``cayley`` command are both made from this table, so that they cannot disagree. A stage is
given only the leaves named here: it cannot read another one, and a change of another one does not run it again.
"""

from __future__ import annotations

from cayley_adapters.pipeline.lever_stages import LEVER_STAGES
from cayley_adapters.pipeline.paths import (
    ADAPTER,
    ANSWERS,
    CELL,
    CIRCUITS,
    COMPRESSED,
    CONTROL,
    CONTROL_ADAPTER,
    CONTROL_ROW,
    EVALUATION,
    PREPARED,
    PROVENANCE,
    QUESTION_SET,
    REPORTED,
    TABLES,
    TEACHER,
    TRANSITION,
)
from cayley_adapters.pipeline.qpu_stages import QPU_STAGES
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["STAGES"]

EVALUATED = ("model.name", "evaluate.windows", "evaluate.batch_windows", "evaluate.threads", "evaluate.device")
SHARED_TRAINING = (
    "targets",
    "layers",
    "steps",
    "batch_windows",
    "learning_rate",
    "schedule",
    "warmup",
    "max_grad_norm",
    "validation_windows",
    "validate_every",
    "distillation",
    "threads",
    "device",
)
"""Of ``train``, what holds for the controls as well."""


STAGES: dict[str, Stage] = {
    "configure": Stage({}, {"config": "{base}/config.yaml"}, (), (), "freeze the resolved configuration"),
    "prepare": Stage({}, PREPARED, ("model", "data"), (), "fetch the model and the text"),
    "teacher": Stage(
        PREPARED,
        TEACHER,
        (
            "train.steps",
            "train.batch_windows",
            "train.validation_windows",
            "train.distillation_top_k",
            "train.threads",
            "train.device",
        ),
        (),
        "keep the uncompressed model's predictions for distillation",
        threads="train.threads",
    ),
    "compress": Stage(
        PREPARED,
        COMPRESSED,
        ("model.name", "compress", "data.calibration_windows"),
        ("ratio",),
        "factor projections of the model",
        threads="compress.threads",
    ),
    "train": Stage(
        PREPARED | COMPRESSED | TEACHER,
        ADAPTER | {"history": f"{{base}}/adapters/{CELL}/training.csv"},
        ("train", "noise"),
        ("ratio", "block", "seed"),
        "train the blocks",
        threads="train.threads",
    ),
    "control": Stage(
        PREPARED | COMPRESSED | TEACHER,
        CONTROL_ADAPTER | {"history": f"{{base}}/controls/{CONTROL}/training.csv"},
        (
            *(f"train.{name}" for name in SHARED_TRAINING),
            "control.lora_learning_rate",
            "control.ia3_learning_rate",
        ),
        ("ratio", "control", "seed"),
        "train classical adapters of as many parameters",
        threads="train.threads",
    ),
    "transpile": Stage(
        ADAPTER,
        CIRCUITS,
        (
            *("transpile.synthesis", "transpile.noise_scale", "transpile.compared_blocks", "transpile.threads"),
            "noise",
        ),
        ("ratio", "block", "seed"),
        "bring each block to the device's native gates, and count them",
        threads="transpile.threads",
    ),
    "compare_circuits": Stage(
        ADAPTER | CIRCUITS,
        {"table": "{base}/circuits.csv"},
        ("transpile.compared_blocks", "noise"),
        (),
        "gates, depth and fidelity of the circuits, beside Qiskit's",
    ),
    "baseline": Stage(
        PREPARED | COMPRESSED,
        {
            "row": "{base}/baselines/{ratio}/baselines.csv",
            "losses": "{base}/baselines/{ratio}/losses.safetensors",
        },
        EVALUATED,
        ("ratio",),
        "perplexity of the compressed model",
        threads="evaluate.threads",
    ),
    "reference": Stage(
        PREPARED,
        {
            "row": "{base}/baselines/uncompressed/baselines.csv",
            "losses": "{base}/baselines/uncompressed/losses.safetensors",
        },
        EVALUATED,
        (),
        "perplexity of the uncompressed model",
        threads="evaluate.threads",
    ),
    "evaluate_control": Stage(
        PREPARED | COMPRESSED | CONTROL_ADAPTER,
        CONTROL_ROW,
        EVALUATED,
        ("ratio", "control", "seed"),
        "perplexity with classical adapters",
        threads="evaluate.threads",
    ),
    "evaluate": Stage(
        PREPARED
        | COMPRESSED
        | ADAPTER
        | CIRCUITS
        | {"compressed_losses": "{base}/baselines/{ratio}/losses.safetensors"},
        EVALUATION,
        ("model.name", "train", "transpile.synthesis", "evaluate", "noise", "sweep.noise_scale"),
        ("ratio", "block", "seed"),
        "perplexity along the noise axis",
        threads="evaluate.threads",
    ),
    **QPU_STAGES,
    "aggregate": Stage(
        {
            "cells": EVALUATION["cells"],
            "adapters": ADAPTER["adapter"],
            "rows": "{base}/baselines/{ratio}/baselines.csv",
            "controls": CONTROL_ROW["row"],
            "reference": "{base}/baselines/uncompressed/baselines.csv",
            # Once there are any, or where they are asked for, see cayley_adapters.pipeline.jobs.
            "device": "{base}/{device}/cells.csv",
        },
        TABLES | PROVENANCE,
        (),
        (),
        "gather all cells in one table, with what they rest on",
    ),
    **LEVER_STAGES,
    "phase_diagram": Stage(
        TABLES
        | {
            "losses": EVALUATION["losses"],
            "budgets": EVALUATION["budget"],
            "compressed": "{base}/baselines/{ratio}/losses.safetensors",
        },
        TRANSITION | paths_of(figures.PHASE_DIAGRAM),
        ("run", "evaluate.shots", "evaluate.readout", "noise", "train.ansatz"),
        (),
        "find the boundary and draw the map",
    ),
    "scaling": Stage(
        {"cells": TABLES["cells"], "budgets": EVALUATION["budget"]} | TRANSITION,
        {
            "table": "{base}/transition.csv",
            "budget": "{base}/noise_budget.csv",
            **paths_of(figures.SCALING),
        },
        ("noise", "train.ansatz"),
        (),
        "show what the transition follows from: gain, cost, its collapse, and errors by source",
    ),
    "recovery": Stage(
        TABLES
        | {
            "losses": EVALUATION["losses"],
            "compressed": "{base}/baselines/{ratio}/losses.safetensors",
            "control_losses": CONTROL_ROW["losses"],
            "uncompressed": "{base}/baselines/uncompressed/losses.safetensors",
        },
        {
            "table": "{base}/recovery.csv",
            "differences": "{base}/recovery_differences.csv",
            **paths_of(figures.RECOVERY),
        },
        ("evaluate.shots",),
        (),
        "what blocks of each dimension recover without noise, beside the controls",
    ),
    "entanglement": Stage(
        ADAPTER,
        {
            "table": "{base}/entanglement.csv",
            "differences": "{base}/entanglement_differences.csv",
            **paths_of(figures.ENTANGLEMENT),
        },
        ("model.name",),
        (),
        "operator Schmidt spectra of the trained blocks, beside random ones",
    ),
    "question_set": Stage(
        {"tokens": PREPARED["tokens"]},
        QUESTION_SET,
        (
            *("data.source", "data.calibration_windows"),
            *(f"questions.{name}" for name in ("source", "path", "task", "format", "limit")),
        ),
        (),
        "build or read the set of multiple-choice questions",
    ),
    # Of one cell: which, cayley_adapters.pipeline.jobs says.
    "answer_questions": Stage(
        QUESTION_SET
        | {"model": PREPARED["model"]}
        | COMPRESSED
        | ADAPTER
        | CIRCUITS
        | {"control": CONTROL_ADAPTER["adapter"], "control_config": CONTROL_ADAPTER["adapter_config"]},
        ANSWERS,
        (
            *("model.name", "evaluate.readout", "evaluate.mitigation", "noise"),
            *(f"questions.{name}" for name in ("noise_scale", "shots", "sampled", "chosen", "temperatures")),
            *(f"questions.{name}" for name in ("texts", "new_tokens", "batch_tokens", "threads")),
        ),
        (),
        "put the questions to the models with and without blocks, and to LoRA",
        threads="questions.threads",
    ),
    "questions": Stage(
        QUESTION_SET | ANSWERS,
        {
            "table": "{base}/questions.csv",
            "comparisons": "{base}/question_comparisons.csv",
            "flips": "{base}/question_flips.csv",
            "samples": "{base}/question_samples.csv",
            **paths_of(figures.QUESTIONS),
        },
        ("questions.temperatures", "questions.draws"),
        (),
        "accuracy, comparisons and flips of the answers",
    ),
    "report": Stage(
        {
            "config": "{base}/config.yaml",
            "model": PREPARED["model"],
            **PROVENANCE,
            **TRANSITION,
            **REPORTED,
        },
        {"report": "{base}/report.html"},
        (),
        (),
        "gather tables, pictures, methods and environment on one page",
    ),
    "dashboard": Stage(
        {"cells": TABLES["cells"], "baselines": TABLES["baselines"]} | TRANSITION,
        {"definition": "{base}/dashboard.json"},
        ("run", "experiment", "track", "train.validation_windows"),
        (),
        "make the W&B workspace and report, and publish them if track.mode=online",
    ),
    # One page for several models: its base is the run's folder, one level above the models' own.
    "compare_models": Stage(
        {"cells": "{base}/{model}/phase_diagram.csv"} | {"transitions": "{base}/{model}/transition.json"},
        paths_of(figures.COMPARE_MODELS),
        (),
        (),
        "compare the maps of several models on one page",
    ),
}
