"""Whether a configuration can run at all: what model, device and questions say of it before any work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path

from cayley_adapters.adapters.controls import CONTROLS
from cayley_adapters.circuits.noise.snapshots import UNUSABLE, median_snapshot, snapshot_of
from cayley_adapters.circuits.sizes import WHOLE, qubits_that_hold
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.models.compression.methods import METHODS
from cayley_adapters.models.compression.widths import (
    SHAPES,
    LayerShape,
    Widths,
    even_widths,
    neurons_in,
    require_given,
)
from cayley_adapters.models.files import stored_projections
from cayley_adapters.models.shapes import ModelShape, model_shape
from cayley_adapters.pipeline.levers import IDENTITY, RANKED_BLOCK_DIM, arranged, cells_of, ranked
from cayley_adapters.questions.benchmarks.documents import DOCUMENTS
from cayley_adapters.questions.benchmarks.tasks import find_tasks
from cayley_adapters.questions.files import read_csv, read_jsonl
from cayley_adapters.settings import Settings, by_variant
from cayley_adapters.settings.fields import PROJECTIONS
from cayley_adapters.settings.levers import RANKED_FROM

__all__ = ["require_feasible", "require_tasks"]


def require_feasible(settings: Iterable[Settings]) -> None:
    """Check each configuration against its model, its device and its questions.

    Args:
        settings: of each variant.

    Raises:
        CayleyError: blocks do not divide a projection, a layer is not there, or the device lacks gates, qubits or
            couplers, or a file of questions is none; one line each.
    """
    if lines := by_variant((item.variant, _lines(item)) for item in settings):
        raise CayleyError("\n".join(lines))


def require_tasks(settings: Iterable[Settings]) -> None:
    """Find the tasks of each configuration's benchmarks, with their data, which no job fetches.

    Args:
        settings: of each variant.

    Raises:
        CayleyError: there is no such task, or its data is not on this machine; the message has the command that
            fetches it.
    """
    for item in settings:
        _find(item.benchmarks.tasks, item.benchmarks.include)


@cache
def _find(names: tuple[str, ...], include: tuple[str, ...]) -> None:
    if include or not set(names) <= set(DOCUMENTS):  # the embedded ones are always there
        find_tasks(names, include)


def _lines(settings: Settings) -> Iterator[str]:
    shape = model_shape(settings.model.model_dump(mode="json"))
    yield from _target_lines(settings)
    if shape:
        yield from _model_lines(settings, shape)
    yield from _device_lines(settings)
    yield from _lever_lines(settings, shape)
    yield from _question_lines(settings)


def _target_lines(settings: Settings) -> Iterator[str]:
    """Projections that a model on this machine does not have: some architectures store several as one."""
    if settings.model.path is None:
        return
    with suppress(CayleyError, OSError):  # what is wrong with the folder, the stage that prepares the model says
        stored = stored_projections(Path(settings.model.path).expanduser())
        compressed = settings.compress.targets if settings.compress.method != "none" else ()
        for key, targets in (("compress.targets", compressed), ("train.targets", settings.train.targets)):
            if absent := [target for target in targets if target not in stored]:
                left = [name for name in PROJECTIONS if name in stored]
                yield (
                    f"{key}={_list(targets)}: {settings.model.name} has no {', '.join(absent)}; its layers have "
                    + f"{', '.join(stored) or 'nothing of the kind'}"
                    + (f"; type {key}={_list(left)}, or some of them" if left else "; use another model")
                )


def _model_lines(settings: Settings, shape: ModelShape) -> Iterator[str]:
    name, last = settings.model.name, shape.layers - 1
    for section in ("train", "compress"):
        if beyond := [layer for layer in getattr(settings, section).layers or () if layer > last]:
            yield f"{section}.layers={_list(beyond)}: {name} has {shape.layers} layers; give numbers from 0 to {last}"
    yield from _width_lines(settings, shape)
    yield from _block_lines(settings, shape)


def _block_lines(settings: Settings, shape: ModelShape) -> Iterator[str]:
    """Block dimensions that are too large or told twice, and those that only our blocks and no others may have."""
    name, train, sizes = settings.model.name, settings.train, settings.sweep.block_dim
    widest = max(shape.projection(target)[0] for target in train.targets)
    most = 2 ** qubits_that_hold(widest)
    if large := [d for d in sizes if isinstance(d, int) and d > most]:
        yield (
            f"sweep.block_dim={','.join(map(str, large))}: the largest input of {', '.join(train.targets)} in {name} "
            f"is {widest}; type sweep.block_dim={WHOLE}, or numbers up to {most}"
        )
    if WHOLE in sizes and widest in sizes:
        yield f"sweep.block_dim={widest},{WHOLE}: is the same on {', '.join(train.targets)} in {name}; give one of them"
    dims = settings.control.block_dims
    axes = [("control.block_dims", method, dims) for method in settings.control.methods if CONTROLS[method].blocks]
    for key, what, dims in axes:
        for target in train.targets:
            for inputs in sorted({shape.projection(target)[0], *_pruned(settings, shape, target)}, reverse=True):
                if misfits := [d for d in dims if inputs % d]:
                    yield (
                        f"{key}={','.join(map(str, misfits))}: {what} do not divide the {inputs} inputs of {target} in "
                        f"{name}; leave them out, or {target} out of train.targets"
                    )


def _width_lines(settings: Settings, shape: ModelShape) -> Iterator[str]:
    """What of a pruned model's widths cannot be had."""
    for ratio in settings.sweep.compression_ratio:
        try:
            _widths(settings, shape, ratio)
        except CayleyError as error:
            yield str(error)


def _widths(settings: Settings, shape: ModelShape, ratio: float) -> list[Widths]:
    """What pruned layers keep: what is known of it before anything is measured."""
    options = settings.compress
    if ratio == 0 or options.method == "none" or not METHODS[options.method].structured:
        return []
    layer = LayerShape(shape.hidden, shape.intermediate, shape.kv_heads, shape.heads // shape.kv_heads, shape.head_dim)
    if options.shape is not None:
        require_given(options.shape, layer, shape.layers, ratio)
        given = SHAPES[options.shape]
        return [Widths(given.neurons, given.groups)]
    even = even_widths(layer, options.targets, ratio)
    if options.allocation == "uniform":
        return [even]
    # Where losses deal widths out, all that is known is in what multiples.
    return [Widths(neurons_in(even, layer), 1 if even.groups < layer.groups else layer.groups)]


def _pruned(settings: Settings, shape: ModelShape, target: str) -> set[int]:
    """Inputs of a projection in pruned layers, at all ratios."""
    found = set()
    for ratio in settings.sweep.compression_ratio:
        with suppress(CayleyError):  # said by _width_lines
            for widths in _widths(settings, shape, ratio):
                group = shape.heads // shape.kv_heads * shape.head_dim
                found.add({"down_proj": widths.neurons, "o_proj": widths.groups * group}.get(target, shape.hidden))
    return found


def _device_lines(settings: Settings) -> Iterator[str]:
    try:
        noise = settings.noise
        device = median_snapshot(noise.backend) if noise.medians else snapshot_of(noise.backend)
    except CayleyError as error:
        yield f"noise.backend={settings.noise.backend}: {error}"
        return
    layout = settings.noise.layout
    if settings.sweep.noise_scale != (0.0,):
        wanted = qubits_that_hold(max(d for d in settings.sweep.block_dim if isinstance(d, int)))
        if wanted > device.qubits:
            yield (
                f"sweep.block_dim={2**wanted}: needs {wanted} qubits and {device.name} has {device.qubits}; lower it, "
                "or take another noise.backend"
            )
    for line in () if isinstance(layout, str) else layout if isinstance(layout[0], tuple) else (layout,):
        yield from _line_lines(line, device.name, device.qubits, device.usable, device.couplers)
    if settings.noise.known_from is not None:
        try:
            snapshot_of(settings.noise.known_from)
        except CayleyError as error:
            yield f"noise.known_from={settings.noise.known_from}: {error}"
    if settings.qpu.service != "ibm" and "." not in settings.qpu.backend:
        try:
            snapshot_of(settings.qpu.backend)
        except CayleyError as error:
            yield f"qpu.backend={settings.qpu.backend}: {error}"


def _lever_lines(settings: Settings, shape: ModelShape | None) -> Iterator[str]:
    """What of the levers goes with neither model nor device; nothing more where the map itself does not."""
    if any(_device_lines(settings)) or (shape and any(_model_lines(settings, shape))):
        return
    wanted = {(name, d) for name, d, _ in cells_of(settings) if not name.startswith(IDENTITY)}
    if any(ranked(name) for name, _ in wanted):
        wanted.add((RANKED_FROM, RANKED_BLOCK_DIM))
    for name, d in sorted(wanted):
        own = arranged(settings, name, d)
        for line in (*_device_lines(own), *(_model_lines(own, shape) if shape else ())):
            yield f"levers.names={name}: {line}"


def _question_lines(settings: Settings) -> Iterator[str]:
    source, path = settings.questions.source, settings.questions.path
    if path is not None:
        try:
            asked = {"jsonl": read_jsonl, "csv": read_csv}[source](Path(path))
        except CayleyError as error:
            yield str(error)
            return
        if beyond := [number for number in settings.questions.chosen if number >= len(asked.items)]:
            yield f"questions.chosen={_list(beyond)}: {path} has {len(asked.items)} questions, counted from 0"


def _line_lines(
    line: Sequence[int], name: str, count: int, usable: frozenset[int], couplers: frozenset[tuple[int, int]]
) -> Iterator[str]:
    start = f"noise.layout={_list(line)}: {name}"
    advice = "give neighbouring qubits, or noise.layout=best or median"
    if beyond := [qubit for qubit in line if qubit >= count]:
        yield f"{start} has no qubit {_list(beyond)[1:-1]}, its qubits are 0 to {count - 1}; {advice}"
    elif unusable := [qubit for qubit in line if qubit not in usable]:
        yield f"{start} has no usable qubit {_list(unusable)[1:-1]} (a gate error of {UNUSABLE} or more); {advice}"
    elif apart := [pair for pair in pairwise(line) if tuple(sorted(pair)) not in couplers]:
        yield f"{start} has no usable coupler between {apart[0][0]} and {apart[0][1]}; {advice}"


def _list(values: Iterable[int | str]) -> str:
    return f"[{','.join(map(str, values))}]"
