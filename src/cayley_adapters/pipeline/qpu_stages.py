"""The stages that run blocks on a processor: the part of :mod:`cayley_adapters.pipeline.table` that is about one."""

from __future__ import annotations

from cayley_adapters.pipeline.paths import ADAPTER, COMPRESSED, COUNTS, DEVICE_RESULTS, PREPARED, SUBMITTED, WORKLOAD
from cayley_adapters.pipeline.stage import Stage
from cayley_adapters.report import figures
from cayley_adapters.report.contents import paths_of

__all__ = ["QPU_STAGES"]

SAMPLING = (
    *("shots", "dynamical_decoupling", "twirl_gates", "twirl_readout", "randomizations", "executions_per_job"),
    "repetition",
)
"""Of ``qpu``, what determines the jobs of a workload."""

SENDING = ("max_seconds", "cap_factor", "unknown_seconds", "attempts")
"""Of ``qpu``, how jobs are sent."""

HIDDEN = tuple(f"noise.{name}" for name in ("drift", "drift_shared", "coherent", "seed"))
"""Of ``noise``, how the twin's device differs from its calibration."""

QPU_STAGES: tuple[Stage, ...] = (
    # All of one cell, and with the adapter of its own variant: which, cayley_adapters.pipeline.jobs says.
    Stage(
        name="qpu_plan",
        sentence="pack blocks on the processor, freeze what is measured, and tell what it costs in every mode",
        inputs=PREPARED | COMPRESSED | ADAPTER,
        outputs=WORKLOAD
        | {"plan": "{base}/qpu/plan.csv", "lines": "{base}/qpu/lines.csv", **paths_of(figures.QPU_PLAN)},
        leaves=(
            *("transpile.synthesis", "transpile.noise_scale", "noise", *HIDDEN),
            *(
                f"qpu.{name}"
                for name in ("service", "backend", "mode", "text", "tokens", "quality", "spacing", "threads")
            ),
            *(f"qpu.{name}" for name in (*SAMPLING, "price_per_second", "max_seconds", "cap_factor")),
        ),
        threads="qpu.threads",
        memory_mb=3500,
        processor=True,
    ),
    Stage(
        name="qpu_submit",
        sentence="send the jobs, each once",
        inputs=WORKLOAD,
        outputs=SUBMITTED,
        leaves=(
            *(f"qpu.{name}" for name in ("service", "backend", *SAMPLING, *SENDING, "price_per_second", "agree")),
            *HIDDEN,
        ),
        memory_mb=3500,
        processor=True,
    ),
    Stage(
        name="qpu_collect",
        sentence="fetch the counts as they arrive",
        inputs=WORKLOAD | SUBMITTED,
        outputs=COUNTS,
        leaves=(*(f"qpu.{name}" for name in ("service", "backend", *SAMPLING, *SENDING)), *HIDDEN),
        memory_mb=3500,
        processor=True,
    ),
    Stage(
        name="qpu_evaluate",
        sentence="perplexity with what the processor measured, beside exact arithmetic and the simulator",
        inputs=PREPARED | COMPRESSED | ADAPTER | WORKLOAD | COUNTS,
        outputs=DEVICE_RESULTS,
        leaves=(
            *("model.name", "train", "transpile.synthesis", "transpile.noise_scale", "noise", *HIDDEN),
            *("evaluate.windows", "evaluate.context", "evaluate.batch_windows", "qpu"),
        ),
        threads="qpu.threads",
        memory_mb=3500,
    ),
)
