"""Train the blocks of one cell."""

from __future__ import annotations

from cayley_adapters.adapters.cayley.config import CayleyConfig
from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.models.base import set_threads
from cayley_adapters.models.compression.storage import load_compressed
from cayley_adapters.models.placement import device_named, place
from cayley_adapters.pipeline.jobs import Job
from cayley_adapters.simulation.surrogate import SurrogateExecutor
from cayley_adapters.stages.training import adapted_shapes, train_and_save

__all__ = ["run"]


def run(job: Job, modules: list[str] | None = None) -> None:
    """Write the trained adapter.

    Args:
        job: a job of this stage, or of one like it.
        modules: full names of the projections to adapt, instead of ``train.targets`` in ``train.layers``.
    """
    import torch
    from peft import get_peft_model

    options, inputs = job.leaves["train"], job.inputs()
    seed, block_dim = int(job.columns["seed"]), int(job.columns["block_dim"])
    set_threads(options["threads"])
    torch.manual_seed(seed)
    device = device_named(options["device"])
    base = place(load_compressed(inputs["compressed"][0].parent), device)
    adapted_shapes(base, options["targets"], options["layers"])
    shape = {key: options[key] for key in ("ansatz", "brickwork_depth", "readout")}
    where = {"target_modules": list(options["targets"]), "layers_to_transform": options["layers"]}
    if modules is not None:
        where = {"target_modules": modules}
    model = get_peft_model(base, CayleyConfig(block_dim=block_dim, **where, **shape))
    if options["noise_scale"] > 0:
        noise = DeviceNoise.from_backend(scale=options["noise_scale"], **job.leaves["noise"])
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    # A block's rotation grows with the number of its parameters that move at once: the same step for every d makes
    # large blocks diverge.
    train_and_save(job, model, options, options["learning_rate"] / block_dim, seed)
