"""Train the blocks of one cell."""

from __future__ import annotations

from cayley_adapters.adapters import CayleyConfig, adapted_layers, set_executor
from cayley_adapters.compression import load_compressed
from cayley_adapters.corpus import load_windows
from cayley_adapters.files import atomic_directory
from cayley_adapters.layout import Job, manifest_columns
from cayley_adapters.models import set_threads
from cayley_adapters.noise import DeviceNoise
from cayley_adapters.progress import Progress
from cayley_adapters.surrogate import SurrogateExecutor
from cayley_adapters.tables import write_table
from cayley_adapters.tracking import log_run
from cayley_adapters.training import load_targets, train_adapter

__all__ = ["run"]


def run(job: Job) -> None:
    """Write the trained adapter as PEFT saves it, with the curve of its training."""
    import torch
    from peft import get_peft_model

    options, inputs, outputs = job.leaves["train"], job.inputs(), job.outputs()
    cell = manifest_columns("/".join(job.cell.values()))
    seed, block_dim = int(cell["seed"]), int(cell["block_dim"])
    set_threads(options["threads"])
    torch.manual_seed(seed)
    targets = load_targets(inputs["targets"][0])
    tokens = load_windows(inputs["tokens"][0], "train").tokens[: len(targets.indices)]
    shape = {key: options[key] for key in ("ansatz", "brickwork_depth", "readout")}
    config = CayleyConfig(block_dim=block_dim, target_modules=list(options["targets"]), **shape)
    model = get_peft_model(load_compressed(inputs["compressed"][0].parent), config)
    if options["noise_scale"] > 0:
        noise = DeviceNoise.from_backend(scale=options["noise_scale"], **job.leaves["noise"])
        set_executor(model, SurrogateExecutor(adapted_layers(model), noise))
    # Where the base model lies is this machine's matter; the manifest says what the adapter belongs to.
    model.peft_config["default"].base_model_name_or_path = None
    history = train_adapter(
        model,
        tokens,
        targets,
        steps=options["steps"],
        batch_windows=options["batch_windows"],
        # A block's rotation grows with the number of its parameters that move at once: the same step for every d
        # makes large blocks diverge.
        learning_rate=options["learning_rate"] / block_dim,
        distillation=options["distillation"],
        seed=seed,
        progress=Progress(job.label),
    )
    columns = ["step", "learning_rate", "loss", "cross_entropy", "distillation"]
    with atomic_directory(outputs["adapter"].parent) as folder:
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's template of a model card, all blanks
        write_table(history, folder / outputs["history"].name, columns)
    final = history[-1] if history else {}
    log_run(job.base, job.label.replace(" ", "-"), "train", cell | {"train": options}, history=history, summary=final)
