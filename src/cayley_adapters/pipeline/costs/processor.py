"""What the processor's part of a run takes, before anything is trained."""

from __future__ import annotations

from typing import Any

from cayley_adapters.pipeline.costs.prediction import model_sizes
from cayley_adapters.pipeline.jobs import device_axes
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.qpu.cost import Cost, preparations
from cayley_adapters.settings import Settings

__all__ = ["processor_cost"]


def processor_cost(settings: Settings) -> dict[str, Any]:
    """Circuits, executions, jobs, seconds and price of what ``snakemake qpu`` sends.

    The packing is that of the processor's snapshot: its own calibration of the day, by which ``cayley qpu plan`` packs,
    moves the number of lines by a few.

    Returns:
        The columns of :data:`cayley_adapters.qpu.cost.COST_COLUMNS`, and ``snapshot``.
    """
    from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
    from cayley_adapters.qpu.local import local_backend
    from cayley_adapters.qpu.packing import packing_on
    from cayley_adapters.qpu.sampling import Sampling

    qpu, model = settings.qpu, model_sizes(settings)
    name = qpu.backend if qpu.backend.startswith("Fake") else f"Fake{qpu.backend.removeprefix('ibm_').capitalize()}"
    local = qpu.service == "local"
    backend = local_backend(qpu.backend) if local else snapshot(name)
    d = int(device_axes(next(iter(variants([settings]).values())))["block"][0][1:])
    shapes, _ = model.adapted(qpu.targets or settings.train.targets, qpu.layers or settings.train.layers)
    blocks = sum(inputs for inputs, _ in shapes) // d
    packing, _ = packing_on(backend, calibration_of(backend), d.bit_length() - 1, qpu.spacing, qpu.quality)
    sampling = Sampling(**{name: getattr(qpu, name) for name in Sampling.__dataclass_fields__ if name != "hidden"})
    tokens = qpu.tokens if qpu.mode == "per_token" else None
    slices = tokens or preparations(d)
    limits = sampling.executions_per_circuit, sampling.executions_per_job, qpu.price_per_second
    return Cost([blocks], tokens, slices, packing, *limits).row(settings.run) | {
        "snapshot": qpu.backend if local else name
    }
