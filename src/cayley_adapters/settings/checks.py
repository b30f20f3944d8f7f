"""What the sections of a configuration have to do with each other: one function each, which says what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.analysis import GOALS
from cayley_adapters.circuits import LARGEST_NOISY_BLOCK
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.messages import show
from cayley_adapters.settings.levers import LEVER_BLOCK_DIMS, LEVERS
from cayley_adapters.simulation.mitigations import MITIGATIONS
from cayley_adapters.simulation.simulators import SIMULATORS

if TYPE_CHECKING:
    from cayley_adapters.settings.schema import Settings

__all__ = ["CHECKS"]


def lines_hold_blocks(settings: Settings) -> Iterator[str]:
    layout, qubits = settings.noise.layout, int(math.log2(max(settings.sweep.block_dim)))
    lines = [] if isinstance(layout, str) else [line if isinstance(line, tuple) else layout for line in layout]
    if lines and settings.sweep.noise_scale != (0.0,) and min(map(len, lines)) < qubits:
        yield (
            f"noise.layout={show(list(layout))}: block dimension {2**qubits} needs {qubits} qubits; list as many, "
            f"or lower sweep.block_dim"
        )


def no_compression_has_no_ratio(settings: Settings) -> Iterator[str]:
    if settings.compress.method == "none" and settings.sweep.compression_ratio != (0.0,):
        yield (
            f"sweep.compression_ratio={show(list(settings.sweep.compression_ratio))}: compress=none removes nothing; "
            "type sweep.compression_ratio=0 as well"
        )


def compared_gates_are_counted(settings: Settings) -> Iterator[str]:
    synthesis = settings.transpile.synthesis
    if SYNTHESES[synthesis].compared and not settings.transpile.compared_blocks:
        yield f"transpile.compared_blocks=0: transpile.synthesis={synthesis} counts the gates of such; type 1 or more"


def noise_needs_circuits(settings: Settings) -> Iterator[str]:
    synthesis = settings.transpile.synthesis
    if not SYNTHESES[synthesis].circuits and settings.sweep.noise_scale != (0.0,):
        yield (
            f"transpile.synthesis={synthesis}: without circuits there is nothing that noise acts on; type "
            "sweep.noise_scale=0 as well, or transpile.synthesis=exact"
        )


def noise_begins_at_zero(settings: Settings) -> Iterator[str]:
    if 0.0 not in settings.sweep.noise_scale:
        yield (
            f"sweep.noise_scale={show(list(settings.sweep.noise_scale))}: costs are counted from noise scale 0; type "
            "sweep.noise_scale=0 and the others after it"
        )


def refining_needs_an_axis(settings: Settings) -> Iterator[str]:
    if settings.evaluate.refine and settings.sweep.noise_scale == (0.0,):
        yield (
            f"evaluate.refine={settings.evaluate.refine}: there is no noise axis to refine; add a positive noise scale "
            "to sweep.noise_scale, or type evaluate.refine=0"
        )


def executor_needs_circuits(settings: Settings) -> Iterator[str]:
    evaluate = settings.evaluate
    made = SYNTHESES[settings.transpile.synthesis].circuits
    without = not made or max(settings.sweep.block_dim) > LARGEST_NOISY_BLOCK
    if without and (not SIMULATORS[evaluate.executor].ideal_blocks or MITIGATIONS[evaluate.mitigation].undoes):
        yield (
            f"evaluate.executor={evaluate.executor} evaluate.mitigation={evaluate.mitigation}: these blocks are not "
            "run as circuits; type evaluate.executor=noisy evaluate.mitigation=none, or transpile.synthesis=exact with "
            f"block dimensions up to {LARGEST_NOISY_BLOCK}"
        )


def ansatz_needs_qubits(settings: Settings) -> Iterator[str]:
    ansatz, least = settings.train.ansatz, min(settings.sweep.block_dim)
    if least < ANSATZES[ansatz].smallest:
        yield (
            f"sweep.block_dim={least}: train.ansatz={ansatz} needs two qubits or more; "
            "leave out block dimension 2, or type train.ansatz=full"
        )


def the_sweep_has_what_is_asked(settings: Settings) -> Iterator[str]:
    for section in ("questions", "qpu"):
        for key in ("block_dim", "compression_ratio"):
            wanted, axis = getattr(getattr(settings, section), key), getattr(settings.sweep, key)
            if wanted is not None and wanted not in axis:
                known, wider = (",".join(map(show, values)) for values in (axis, sorted({*axis, wanted})))
                yield (
                    f"{section}.{key}={show(wanted)}: the sweep has no such model; type {section}.{key}=null or one of "
                    f"{known}, or sweep.{key}={wider} as well"
                )


def benchmarks_have_their_models(settings: Settings) -> Iterator[str]:
    for key in ("block_dim", "compression_ratio"):
        axis = getattr(settings.sweep, key)
        if others := [value for value in getattr(settings.benchmarks, key) if value not in axis]:
            known, wider = (",".join(map(show, values)) for values in (axis, sorted({*axis, *others})))
            yield (
                f"benchmarks.{key}={show(others)}: the sweep has no such model; type benchmarks.{key}=[] or some of "
                f"{known}, or sweep.{key}={wider} as well"
            )


def a_token_runs_one_projection(settings: Settings) -> Iterator[str]:
    qpu, train = settings.qpu, settings.train
    several = len(qpu.targets or train.targets) > 1 or len(qpu.layers or train.layers or (0, 0)) > 1
    if qpu.mode == "per_token" and several:
        yield (
            "qpu.mode=per_token: runs the slices of one projection of one layer, since those of a second depend on "
            "what the first gave; type qpu.targets=[o_proj] qpu.layers=[15], or qpu.mode=characterise"
        )


def aer_does_not_characterise(settings: Settings) -> Iterator[str]:
    evaluate = settings.evaluate
    if READOUTS[evaluate.readout].once and not SIMULATORS[evaluate.executor].once:
        yield (
            f"evaluate.readout={evaluate.readout}: is measured by the batched simulator; type evaluate.executor=noisy"
        )


CHANGED = {
    "train.ansatz": "full",
    "train.readout": "signed",
    "train.noise_scale": 0.0,
    "transpile.synthesis": "exact",
    "evaluate.readout": "sign_constrained",
    "evaluate.mitigation": "none",
    "evaluate.executor": "noisy",
}
"""Keys that levers change, or rely on, and what they have in the configuration itself."""


def levers_change_the_plain(settings: Settings) -> Iterator[str]:
    for key, wanted in CHANGED.items() if settings.levers.names else ():
        section, _, leaf = key.partition(".")
        if (given := getattr(getattr(settings, section), leaf)) != wanted:
            yield f"{key}={show(given)}: levers are changes of {key}={show(wanted)}; type that, or levers=none"


def levers_have_their_cells(settings: Settings) -> Iterator[str]:
    names, sweep = settings.levers.names, settings.sweep
    if not names:
        return
    if others := [d for d in sweep.block_dim if d not in LEVER_BLOCK_DIMS]:
        yield (
            f"sweep.block_dim={','.join(map(show, others))}: levers are measured for "
            f"{', '.join(map(str, LEVER_BLOCK_DIMS))}; leave it out, or type levers=none"
        )
    if len(sweep.compression_ratio) > 1:
        yield (
            f"sweep.compression_ratio={show(list(sweep.compression_ratio))}: levers are compared at one ratio; "
            "type one of them, or levers=none"
        )
    needed = sorted({1.0, *(scale for d, scale in GOALS.items() if d in sweep.block_dim)})
    if missing := [scale for scale in needed if scale not in sweep.noise_scale]:
        yield (
            f"sweep.noise_scale={show(list(sweep.noise_scale))}: levers are compared at noise scale "
            f"{' and '.join(f'{scale:g}' for scale in needed)}; add {','.join(f'{scale:g}' for scale in missing)}, or "
            "type levers=none"
        )
    if "qiskit_synthesis" in names and not settings.transpile.compared_blocks:
        yield "transpile.compared_blocks=0: the lever qiskit_synthesis counts the gates of such blocks; type 1 or more"
    for name in names:
        if not set(LEVERS[name].block_dims) & set(sweep.block_dim):
            yield (
                f"levers.names={name}: is measured for block dimension "
                f"{', '.join(map(str, LEVERS[name].block_dims))}; add one to sweep.block_dim, or leave it out"
            )


def some_model_is_run_under_noise(settings: Settings) -> Iterator[str]:
    sweep = settings.sweep
    quiet = sweep.compression_ratio == (0.0,) and not settings.evaluate.uncompressed_noise
    if quiet and sweep.noise_scale != (0.0,):
        yield (
            "evaluate.uncompressed_noise=false: sweep.compression_ratio=0 has no other model, so that none is "
            "run under noise; type evaluate.uncompressed_noise=true, or add a ratio"
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


def context_leaves_something_to_score(settings: Settings) -> Iterator[str]:
    context, window = settings.evaluate.context, settings.data.window
    if context >= window:
        yield (
            f"evaluate.context={context}: a window has {window} tokens (data.window), so that none has as many before "
            "it; lower it, or raise data.window"
        )


CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    lines_hold_blocks,
    no_compression_has_no_ratio,
    compared_gates_are_counted,
    noise_needs_circuits,
    noise_begins_at_zero,
    refining_needs_an_axis,
    executor_needs_circuits,
    ansatz_needs_qubits,
    the_sweep_has_what_is_asked,
    benchmarks_have_their_models,
    a_token_runs_one_projection,
    aer_does_not_characterise,
    levers_change_the_plain,
    levers_have_their_cells,
    context_leaves_something_to_score,
    some_model_is_run_under_noise,
    a_search_needs_validation,
    every_search_is_as_wide,
)
"""In this order; the first that yields a sentence refuses the configuration with it."""
