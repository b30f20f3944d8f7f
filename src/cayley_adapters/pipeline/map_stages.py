"""The stages that make and measure the models of a map."""

from __future__ import annotations

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.pipeline.paths import (
    ADAPTER,
    CELL,
    CIRCUITS,
    COMPRESSED,
    CONTROL,
    CONTROL_ADAPTER,
    CONTROL_ROW,
    EVALUATION,
    PREPARED,
    TEACHER,
)
from cayley_adapters.pipeline.stage import Stage

__all__ = ["MAP_STAGES"]

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

MAP_STAGES: tuple[Stage, ...] = (
    Stage(
        name="configure",
        sentence="freeze the resolved configuration",
        outputs={"config": "{base}/config.yaml"},
        local=True,
        internal=True,
    ),
    Stage(
        name="prepare",
        sentence="fetch the model and the text",
        outputs=PREPARED,
        leaves=("model", "data"),
        local=True,
    ),
    Stage(
        name="teacher",
        sentence="keep the uncompressed model's predictions for distillation",
        inputs=PREPARED,
        outputs=TEACHER,
        leaves=(
            "train.steps",
            "train.batch_windows",
            "train.validation_windows",
            "train.distillation_top_k",
            "train.threads",
            "train.device",
        ),
        threads="train.threads",
        priority=10,
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="compress",
        sentence="factor projections of the model",
        inputs=PREPARED,
        outputs=COMPRESSED,
        leaves=("model.name", "compress", "data.calibration_windows"),
        wildcards=("ratio",),
        threads="compress.threads",
        priority=20,
        memory_mb=3500,
    ),
    Stage(
        name="train",
        sentence="train the blocks",
        inputs=PREPARED | COMPRESSED | TEACHER,
        outputs=ADAPTER | {"history": f"{{base}}/adapters/{CELL}/training.csv"},
        leaves=("train", "noise"),
        wildcards=("ratio", "block", "seed"),
        threads="train.threads",
        memory_mb=3000,
    ),
    Stage(
        name="control",
        sentence="train classical adapters of as many parameters",
        inputs=PREPARED | COMPRESSED | TEACHER,
        outputs=CONTROL_ADAPTER | {"history": f"{{base}}/controls/{CONTROL}/training.csv"},
        leaves=(
            *(f"train.{name}" for name in SHARED_TRAINING),
            *(f"control.{control.rate}" for control in CONTROLS.values() if control.rate),
        ),
        wildcards=("ratio", "control", "seed"),
        threads="train.threads",
        memory_mb=3000,
    ),
    Stage(
        name="transpile",
        sentence="bring each block to the device's native gates, and count them",
        inputs=ADAPTER,
        outputs=CIRCUITS,
        leaves=(
            *("transpile.synthesis", "transpile.noise_scale", "transpile.compared_blocks", "transpile.threads"),
            "noise",
        ),
        wildcards=("ratio", "block", "seed"),
        threads="transpile.threads",
    ),
    Stage(
        name="compare_circuits",
        sentence="gates, depth and fidelity of the circuits, beside Qiskit's",
        inputs=ADAPTER | CIRCUITS,
        outputs={"table": "{base}/circuits.csv"},
        leaves=("transpile.compared_blocks", "noise"),
        shows=True,
    ),
    Stage(
        name="baseline",
        sentence="perplexity of the compressed model",
        inputs=PREPARED | COMPRESSED,
        outputs={
            "row": "{base}/baselines/{ratio}/baselines.csv",
            "losses": "{base}/baselines/{ratio}/losses.safetensors",
        },
        leaves=EVALUATED,
        wildcards=("ratio",),
        threads="evaluate.threads",
        runs="reference",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="reference",
        sentence="perplexity of the uncompressed model",
        inputs=PREPARED,
        outputs={
            "row": "{base}/baselines/uncompressed/baselines.csv",
            "losses": "{base}/baselines/uncompressed/losses.safetensors",
        },
        leaves=EVALUATED,
        threads="evaluate.threads",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="evaluate_control",
        sentence="perplexity with classical adapters",
        inputs=PREPARED | COMPRESSED | CONTROL_ADAPTER,
        outputs=CONTROL_ROW,
        leaves=EVALUATED,
        wildcards=("ratio", "control", "seed"),
        threads="evaluate.threads",
        runs="reference",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="evaluate",
        sentence="perplexity along the noise axis",
        inputs=PREPARED
        | COMPRESSED
        | ADAPTER
        | CIRCUITS
        | {"compressed_losses": "{base}/baselines/{ratio}/losses.safetensors"},
        outputs=EVALUATION,
        leaves=("model.name", "train", "transpile.synthesis", "evaluate", "noise", "sweep.noise_scale"),
        wildcards=("ratio", "block", "seed"),
        threads="evaluate.threads",
        memory_mb=3500,
    ),
)
