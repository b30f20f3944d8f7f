"""The stages that run blocks on a processor: the part of :mod:`cayley_adapters.pipeline.table` that is about one."""

from __future__ import annotations

from cayley_adapters.pipeline.paths import (
    CELL,
    COMPRESSED,
    COUNTS,
    DEVICE_ADAPTER,
    DEVICE_RESULTS,
    PREPARED,
    QPU_ADAPTER,
    SUBMITTED,
    TEACHER,
    WORKLOAD,
)
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["QPU_STAGES"]

SAMPLING = ("shots", "dynamical_decoupling", "twirl_gates", "twirl_readout", "randomizations", "executions_per_job")
"""Of ``qpu``, what determines the jobs of a workload."""

SENDING = ("max_seconds", "unknown_seconds", "attempts")
"""Of ``qpu``, how jobs are sent."""

QPU_STAGES: dict[str, Stage] = {
    # All of one cell: which, cayley_adapters.pipeline.jobs says.
    "qpu_train": Stage(
        PREPARED | COMPRESSED | TEACHER,
        QPU_ADAPTER | {"history": f"{{base}}/qpu/adapters/{CELL}/training.csv"},
        ("train", "noise", "qpu.targets", "qpu.layers"),
        ("ratio", "block", "seed"),
        "train the model that goes to the processor, where it is not the map's",
        threads="train.threads",
    ),
    "qpu_plan": Stage(
        PREPARED | COMPRESSED | DEVICE_ADAPTER,
        WORKLOAD
        | {
            "plan": "{base}/qpu/plan.csv",
            "lines": "{base}/qpu/lines.csv",
            **paths_of(figures.QPU_PLAN),
        },
        (
            *("transpile.synthesis", "transpile.noise_scale", "noise"),
            *(
                f"qpu.{name}"
                for name in ("service", "backend", "mode", "text", "tokens", "quality", "spacing", "threads")
            ),
            *(f"qpu.{name}" for name in (*SAMPLING, "price_per_second", "max_seconds")),
        ),
        (),
        "pack blocks on the processor, freeze what is measured, and tell what it costs in every mode",
        threads="qpu.threads",
    ),
    "qpu_submit": Stage(
        WORKLOAD,
        SUBMITTED,
        tuple(f"qpu.{name}" for name in ("service", "backend", *SAMPLING, *SENDING)),
        (),
        "send the jobs, each once",
    ),
    "qpu_collect": Stage(
        WORKLOAD | SUBMITTED,
        COUNTS,
        tuple(f"qpu.{name}" for name in ("service", "backend", *SAMPLING, *SENDING)),
        (),
        "fetch the counts as they arrive",
    ),
    "qpu_evaluate": Stage(
        PREPARED | COMPRESSED | DEVICE_ADAPTER | WORKLOAD | COUNTS,
        DEVICE_RESULTS,
        (
            *("model.name", "train", "transpile.synthesis", "transpile.noise_scale", "noise"),
            *("evaluate.windows", "evaluate.batch_windows", "qpu"),
        ),
        (),
        "perplexity with what the processor measured, beside exact arithmetic and the simulator",
        threads="qpu.threads",
    ),
}
