"""What training has to do with the rest of a configuration; see :mod:`cayley_adapters.settings.checks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.sizes import LARGEST_NOISY_BLOCK, runs_as_circuit

if TYPE_CHECKING:
    from cayley_adapters.settings.schema import Settings

__all__ = [
    "a_loss_is_left",
    "a_search_needs_validation",
    "ansatz_needs_qubits",
    "every_search_is_as_wide",
    "free_blocks_are_exact",
]


def ansatz_needs_qubits(settings: Settings) -> Iterator[str]:
    ansatz, dims = settings.train.ansatz, settings.sweep.block_dim
    if isinstance(dims[0], int) and dims[0] < ANSATZES[ansatz].smallest:
        yield (
            f"sweep.block_dim={dims[0]}: train.ansatz={ansatz} needs two qubits or more; "
            "leave out block dimension 2, or type train.ansatz=full"
        )
    if ANSATZES[ansatz].layered and (others := [d for d in dims if not runs_as_circuit(d)]):
        yield (
            f"sweep.block_dim={','.join(map(str, others))}: train.ansatz={ansatz} is made of circuits; keep to powers "
            f"of two up to {LARGEST_NOISY_BLOCK}, or type train.ansatz=full"
        )
    if settings.train.noise_scale and (others := [d for d in dims if not runs_as_circuit(d)]):
        yield (
            f"sweep.block_dim={','.join(map(str, others))}: train.noise_scale={settings.train.noise_scale:g} is noise "
            f"of circuits; keep to powers of two up to {LARGEST_NOISY_BLOCK}, or type train.noise_scale=0"
        )


def free_blocks_are_exact(settings: Settings) -> Iterator[str]:
    if ANSATZES[settings.train.ansatz].circuit_of is not None:
        return
    start = f"train.ansatz={settings.train.ansatz}: makes blocks that no circuit applies"
    if settings.sweep.noise_scale != (0.0,):
        yield f"{start}; type sweep.noise_scale=0 as well"
    if settings.train.noise_scale:
        yield f"{start}; type train.noise_scale=0 as well"
    if settings.evaluate.shots != ("inf",):
        yield f"{start}, so that none is measured with shots; type evaluate.shots=inf as well"
    if READOUTS[settings.evaluate.readout].once:
        yield f"{start}, so that none is measured once; type evaluate.readout=sign_constrained as well"


def a_loss_is_left(settings: Settings) -> Iterator[str]:
    train = settings.train
    if train.cross_entropy is None and train.distillation > 1:
        yield (
            f"train.distillation={train.distillation:g}: leaves cross-entropy nothing of 1; type its weight as well, "
            "train.cross_entropy=2, or train.distillation=0.5"
        )
    if train.cross_entropy == 0 and train.distillation == 0:
        yield ("train.distillation=0 train.cross_entropy=0: nothing is left to train for; give one of them a weight")
    if train.warmup_steps is not None and train.warmup_steps > train.steps:
        yield (
            f"train.warmup_steps={train.warmup_steps}: the training has {train.steps} steps (train.steps); type at "
            "most as many"
        )


def a_search_needs_validation(settings: Settings) -> Iterator[str]:
    train, control = settings.train, settings.control
    used = [CONTROLS[name].rate for name in control.methods]
    keys = ["train.learning_rate"] * (train.learning_rate is None) + [
        f"control.{rate}" for rate in used if rate and getattr(control, rate) is None
    ]
    if keys and not train.validation_windows:
        yield (
            f"train.validation_windows=0: {keys[0]}=null is chosen by the loss on such windows; type {keys[0]}=0.01, "
            "or train.validation_windows=4"
        )
    if train.learning_rate is None and settings.levers.names:
        yield "train.learning_rate=null: levers scale a step size that is given; type train.learning_rate=0.04"


def every_search_is_as_wide(settings: Settings) -> Iterator[str]:
    train, control, search = settings.train, settings.control, settings.search
    rates = {CONTROLS[name].rate for name in control.methods} - {None}
    searched = {rate for rate in rates if rate and getattr(control, rate) is None}
    searched |= {"learning_rate"} if train.learning_rate is None else set()
    counts = {name: len(getattr(search, name)) for name in sorted(searched)}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"search.{name} has {count}" for name, count in counts.items())
        yield f"{told}: every method is to try as many step sizes; give each list as many"
