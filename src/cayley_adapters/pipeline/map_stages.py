"""The stages that make and measure the models of a map."""

from __future__ import annotations

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.pipeline.paths import (
    ADAPTER,
    BASELINE,
    CELL,
    CIRCUITS,
    COMPRESSED,
    CONTROL,
    CONTROL_ADAPTER,
    CONTROL_ROW,
    EVALUATION,
    EXACT_CIRCUITS,
    HEALED,
    IDENTITY,
    PREPARED,
    RANKING,
    REFERENCE,
    TEACHER,
)
from cayley_adapters.pipeline.stage import Stage

__all__ = ["MAP_STAGES"]

EVALUATED = (
    "model.name",
    *(f"evaluate.{name}" for name in ("windows", "context", "batch_windows", "threads", "device")),
)
SHARED_TRAINING = (
    *("targets", "layers", "steps", "batch_windows", "learning_rate", "schedule", "warmup", "max_grad_norm"),
    *("validation_windows", "validate_every", "distillation", "threads", "device"),
)
"""Of ``train``, what holds for the controls as well."""

HEALED_TEXT = ("heal.steps", "heal.batch_windows")
"""How much of the training text healing takes; read by none where nothing is healed."""

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
        stored=True,
        sentence="fetch the model and the text",
        outputs=PREPARED,
        leaves=("model", "data"),
        local=True,
    ),
    Stage(
        name="teacher",
        stored=True,
        sentence="keep the uncompressed model's predictions for distillation",
        inputs=PREPARED,
        outputs=TEACHER,
        leaves=(
            *("train.steps", "train.batch_windows", "train.validation_windows", "train.distillation_top_k"),
            *("train.threads", "train.device", *HEALED_TEXT),
        ),
        threads="train.threads",
        priority=10,
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="compress",
        stored=True,
        sentence="factor projections of the model",
        inputs=PREPARED,
        outputs=COMPRESSED,
        leaves=("model.name", "compress", "data.calibration_windows"),
        wildcards=("ratio",),
        threads="compress.threads",
        priority=20,
        memory_mb=3500,
    ),
    # Where heal.steps asks for it; what reads the compressed model then reads this one, see .table.inputs_of.
    Stage(
        name="heal",
        stored=True,
        sentence="train the compressed model's own weights on the uncompressed one's predictions",
        inputs=PREPARED | COMPRESSED,
        outputs=HEALED | {"history": "{base}/healed/{ratio}/healing.csv"},
        leaves=(
            *(f"heal.{name}" for name in ("steps", "weights", "rank", "batch_windows", "learning_rate", "schedule")),
            *(f"heal.{name}" for name in ("warmup", "max_grad_norm", "distillation", "temperature", "cross_entropy")),
            *(f"heal.{name}" for name in ("validate_every", "seed", "threads", "device")),
            "train.validation_windows",
        ),
        wildcards=("ratio",),
        threads="heal.threads",
        priority=15,
        memory_mb=5000,
    ),
    Stage(
        name="train",
        stored=True,
        sentence="train the blocks",
        inputs=PREPARED | COMPRESSED | TEACHER | RANKING,
        outputs=ADAPTER | {"history": f"{{base}}/adapters/{CELL}/training.csv"},
        leaves=("train", "noise", *HEALED_TEXT),
        wildcards=("ratio", "block", "seed"),
        threads="train.threads",
        memory_mb=3000,
    ),
    Stage(
        name="control",
        stored=True,
        sentence="train classical adapters of as many parameters",
        inputs=PREPARED | COMPRESSED | TEACHER,
        outputs=CONTROL_ADAPTER | {"history": f"{{base}}/controls/{CONTROL}/training.csv"},
        leaves=(
            *(f"train.{name}" for name in SHARED_TRAINING),
            *HEALED_TEXT,
            *(f"control.{control.rate}" for control in CONTROLS.values() if control.rate),
        ),
        wildcards=("ratio", "control", "seed"),
        threads="train.threads",
        memory_mb=3000,
    ),
    Stage(
        name="transpile",
        stored=True,
        sentence="bring each block to the device's native gates, and count them",
        inputs=ADAPTER | EXACT_CIRCUITS,
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
        stored=True,
        sentence="perplexity of the compressed model",
        inputs=PREPARED | COMPRESSED,
        outputs=BASELINE,
        leaves=EVALUATED,
        wildcards=("ratio",),
        threads="evaluate.threads",
        runs="reference",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="reference",
        stored=True,
        sentence="perplexity of the uncompressed model",
        inputs=PREPARED,
        outputs=REFERENCE,
        leaves=EVALUATED,
        threads="evaluate.threads",
        memory_mb=3500,
        internal=True,
    ),
    Stage(
        name="evaluate_control",
        stored=True,
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
        stored=True,
        sentence="perplexity along the noise axis",
        inputs=PREPARED | COMPRESSED | ADAPTER | CIRCUITS | {"compressed_losses": BASELINE["losses"]},
        outputs=EVALUATION,
        leaves=("model.name", "train", "transpile.synthesis", "evaluate", "noise", "sweep.noise_scale"),
        wildcards=("ratio", "block", "seed"),
        threads="evaluate.threads",
        memory_mb=3500,
    ),
    Stage(
        name="evaluate_identity",
        stored=True,
        sentence="perplexity along the noise axis with blocks that have learnt nothing",
        inputs=PREPARED | COMPRESSED | RANKING,
        outputs=IDENTITY,
        leaves=(
            *(f"train.{name}" for name in ("targets", "layers", "ranked_budget")),
            *(f"train.{name}" for name in ("ansatz", "brickwork_depth", "readout")),
            *("transpile.synthesis", "transpile.compared_blocks", "evaluate", "noise", "sweep.noise_scale"),
        ),
        wildcards=("ratio", "block"),
        threads="evaluate.threads",
        memory_mb=3500,
        internal=True,
    ),
)
