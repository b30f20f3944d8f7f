"""What the sections of a configuration have to do with each other: one function each, which says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from cayley_adapters.analysis import GOALS
from cayley_adapters.circuits.ansatz import ANSATZES
from cayley_adapters.circuits.readouts import READOUTS
from cayley_adapters.circuits.sizes import LARGEST_NOISY_BLOCK, qubits_that_hold, runs_as_circuit
from cayley_adapters.circuits.syntheses import SYNTHESES
from cayley_adapters.core.messages import show
from cayley_adapters.settings.block_dims import block_size
from cayley_adapters.settings.levers import LEVER_BLOCK_DIMS, LEVERS
from cayley_adapters.settings.train_checks import (
    a_loss_is_left,
    a_search_needs_validation,
    ansatz_needs_qubits,
    every_search_is_as_wide,
    free_blocks_are_exact,
)
from cayley_adapters.simulation.mitigations import MITIGATIONS
from cayley_adapters.simulation.simulators import SIMULATORS

if TYPE_CHECKING:
    from cayley_adapters.settings.schema import Settings

__all__ = ["CHECKS"]


def lines_hold_blocks(settings: Settings) -> Iterator[str]:
    layout, sizes = settings.noise.layout, [d for d in settings.sweep.block_dim if isinstance(d, int)]
    qubits = qubits_that_hold(max(sizes, default=2))
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
    rotations = ANSATZES[settings.train.ansatz].circuit_of is not None
    without = not (made and rotations and all(map(runs_as_circuit, settings.sweep.block_dim)))
    if without and (not SIMULATORS[evaluate.executor].ideal_blocks or MITIGATIONS[evaluate.mitigation].undoes):
        yield (
            f"evaluate.executor={evaluate.executor} evaluate.mitigation={evaluate.mitigation}: these blocks are not "
            "run as circuits; type evaluate.executor=noisy evaluate.mitigation=none, or transpile.synthesis=exact with "
            f"block dimensions that are powers of two up to {LARGEST_NOISY_BLOCK}"
        )


def the_sweep_has_what_is_asked(settings: Settings) -> Iterator[str]:
    for section in ("questions", "qpu"):
        for key in ("block_dim", "compression_ratio"):
            wanted, axis = getattr(getattr(settings, section), key), getattr(settings.sweep, key)
            if wanted is not None and wanted not in axis:
                known, wider = (
                    ",".join(map(show, values)) for values in (axis, sorted({*axis, wanted}, key=block_size))
                )
                yield (
                    f"{section}.{key}={show(wanted)}: the sweep has no such model; type {section}.{key}=null or one of "
                    f"{known}, or sweep.{key}={wider} as well"
                )


def benchmarks_have_their_models(settings: Settings) -> Iterator[str]:
    for key in ("block_dim", "compression_ratio"):
        axis = getattr(settings.sweep, key)
        if others := [value for value in getattr(settings.benchmarks, key) if value not in axis]:
            known, wider = (",".join(map(show, values)) for values in (axis, sorted({*axis, *others}, key=block_size)))
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


def levers_compare_snapshots(settings: Settings) -> Iterator[str]:
    if settings.levers.names and settings.noise.medians:
        yield (
            f"noise.backend={settings.noise.backend}: levers compare devices by their snapshots, and of this one "
            "medians alone are known; type noise=fake_fez, or levers=none"
        )


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
    free_blocks_are_exact,
    a_loss_is_left,
    the_sweep_has_what_is_asked,
    benchmarks_have_their_models,
    a_token_runs_one_projection,
    aer_does_not_characterise,
    levers_change_the_plain,
    levers_compare_snapshots,
    levers_have_their_cells,
    context_leaves_something_to_score,
    some_model_is_run_under_noise,
    a_search_needs_validation,
    every_search_is_as_wide,
)
"""In this order; the first that yields a sentence refuses the configuration with it."""
