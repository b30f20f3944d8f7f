"""What is to be measured, frozen on disk before anything is sent: slices, the blocks they run through, and lines.

A pair is one slice run through one block. Pairs are dealt over lines of qubits: of those whose circuits have one
length, pair i runs in parameter set i // k on line i % k. A workload is identified by its content, so that the same
measurement is recognised, and not paid again, whenever and by whomever it is asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from cayley_adapters.circuits.ansatz import Ansatz
from cayley_adapters.circuits.blocks import BlockCircuits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import save_arrays
from cayley_adapters.core.hints import command

__all__ = ["Workload", "characterise_workload", "join_circuits", "load_workload", "per_token_workload"]


@dataclass(frozen=True)
class Workload:
    """Pairs of slices and blocks, and the qubits they run on.

    Attributes:
        mode: ``per_token`` or ``characterise``.
        backend: Name of the processor.
        lines: k lines of n qubits.
        circuits: B synthesised blocks.
        projections: Name of each projection and the number of its blocks, in the order of the blocks.
        slices: (N, d) float32; zero slices are run as |0...0>.
        blocks: (N,) int32, the block that each slice runs through.
        index: (T, B) or, with mode characterise, (preparations, B): where each pair of these stands in the sequence.
    """

    mode: str
    backend: str
    lines: tuple[tuple[int, ...], ...]
    circuits: BlockCircuits
    projections: Mapping[str, int]
    slices: np.ndarray
    blocks: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.blocks)

    def parts(self) -> Iterator[tuple[Ansatz, np.ndarray]]:
        """Yield each circuit and the pairs (indices) that have it, in the order in which they are dealt."""
        lengths = self.circuits.lengths[self.blocks]
        for length in np.unique(lengths):
            yield self.circuits.ansatz.first(int(length)), np.flatnonzero(lengths == length)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that determines what is measured."""
        hasher = hashlib.sha256(
            json.dumps([self.mode, self.backend, self.lines, self.circuits.ansatz.couplers]).encode()
        )
        arrays = (self.circuits.angles, self.circuits.lengths, self.slices, self.blocks)
        for array, kind in zip(arrays, ("<f8", "<i8", "<f4", "<i4"), strict=True):
            hasher.update(np.ascontiguousarray(array, dtype=kind).tobytes())
        return hasher.hexdigest()

    def arrange(self, values: np.ndarray) -> np.ndarray:
        """Return values (N, d) of the pairs as (T, B, d), or (preparations, B, d) with mode characterise."""
        return values[self.index]

    def check(self, mode: str, circuits: Mapping[str, BlockCircuits], slices: np.ndarray) -> None:
        """Check that this is what a model and a text need.

        Args:
            mode: The mode that is wanted.
            circuits: Projection → the model's blocks.
            slices: (T, B, d) of the text; only with mode per_token.

        Raises:
            CayleyError: It was planned for another mode, text or model.
        """
        same = self.mode == mode and dict(self.projections) == {name: len(item) for name, item in circuits.items()}
        # Not bit by bit: they may have been computed on another machine.
        same = same and np.allclose(self.circuits.unitaries(), join_circuits(circuits).unitaries(), atol=1e-3)
        if same and mode == "per_token":
            planned = self.arrange(self.slices)
            same = planned.shape == slices.shape and np.allclose(planned, slices, atol=1e-3 * np.abs(slices).max())
        if not same:
            plans = command("qpu plan")
            raise CayleyError(
                f"what was measured is not what qpu.mode={mode}, qpu.text, qpu.tokens and the model need; give the "
                f"settings that it was planned with, or plan, submit and collect again with these: {plans}"
            )

    def save(self, path: Path) -> None:
        """Write the workload as safetensors, atomically."""
        about = {
            "mode": self.mode,
            "backend": self.backend,
            "lines": self.lines,
            "qubits": self.circuits.ansatz.qubits,
            "couplers": self.circuits.ansatz.couplers,
            "projections": dict(self.projections),
        }
        tensors = {
            "angles": self.circuits.angles,
            "lengths": self.circuits.lengths.astype(np.int64),
            "slices": np.ascontiguousarray(self.slices, dtype=np.float32),
            "blocks": self.blocks.astype(np.int32),
            "index": self.index.astype(np.int32),
        }
        save_arrays(tensors, path, workload=json.dumps(about))


def load_workload(path: Path) -> Workload:
    """Read what :meth:`Workload.save` wrote.

    Raises:
        CayleyError: The file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            about = json.loads(file.metadata()["workload"])
            tensors = {name: file.get_tensor(name) for name in ("angles", "lengths", "slices", "blocks", "index")}
        ansatz = Ansatz(about["qubits"], tuple(about["couplers"]))
        return Workload(
            about["mode"],
            about["backend"],
            tuple(map(tuple, about["lines"])),
            BlockCircuits(ansatz, tensors["angles"], tensors["lengths"]),
            about["projections"],
            tensors["slices"],
            tensors["blocks"],
            tensors["index"],
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise CayleyError(
            f"cannot read the workload {path}: {error}; delete it and run the same command again"
        ) from error


def join_circuits(circuits: Mapping[str, BlockCircuits]) -> BlockCircuits:
    """Return the blocks of several projections as one sequence; they all have one ansatz."""
    items = list(circuits.values())
    angles = np.concatenate([item.angles for item in items])
    return BlockCircuits(items[0].ansatz, angles, np.concatenate([item.lengths for item in items]))


def per_token_workload(
    projection: str, circuits: BlockCircuits, slices: np.ndarray, lines: Sequence[Sequence[int]], backend: str
) -> Workload:
    """Return a workload that runs every slice of a text, as arXiv:2605.05914 did.

    Args:
        projection: Name of the projection.
        circuits: Its B blocks.
        slices: (T, B, d).
        lines: Lines of qubits that run at once, the best first; no more of them are used than the number of circuits
            needs.
        backend: Name of the processor.
    """
    tokens, count, d = slices.shape
    blocks = np.tile(np.arange(count, dtype=np.int32), tokens)
    index = np.arange(len(blocks), dtype=np.int32).reshape(tokens, count)
    rows = np.ascontiguousarray(slices.reshape(-1, d), dtype=np.float32)
    used = _fewest(lines, [tokens * len(mine) for _, mine in circuits.groups()])
    return Workload("per_token", backend, used, circuits, {projection: count}, rows, blocks, index)


def characterise_workload(
    circuits: Mapping[str, BlockCircuits], preparations: np.ndarray, lines: Sequence[Sequence[int]], backend: str
) -> Workload:
    """Return a workload that runs a few slices through every block, all those of a block on the same qubits.

    Blocks are dealt over the lines in groups; where the last group has a gap, its lines run the last block again, which
    nobody reads.

    Args:
        circuits: Projection → its blocks.
        preparations: (P, d) slices.
        lines: Lines of qubits that run at once, the best first; no more of them are used than the number of circuits
            needs.
        backend: Name of the processor.
    """
    joined = join_circuits(circuits)
    counts = {name: len(item) for name, item in circuits.items()}
    used = _fewest(lines, [len(mine) for _, mine in joined.groups()])
    index = np.empty((len(preparations), len(joined)), dtype=np.int32)
    pairs, total = [], 0
    for length in np.unique(joined.lengths):  # circuits of different lengths cannot run at once
        mine = np.flatnonzero(joined.lengths == length)
        groups = math.ceil(len(mine) / len(used))
        dealt = mine[np.minimum(np.arange(groups * len(used)), len(mine) - 1)].reshape(groups, 1, len(used))
        shape = (groups, len(preparations), len(used))
        places = total + np.arange(math.prod(shape)).reshape(shape).swapaxes(0, 1).reshape(len(preparations), -1)
        index[:, mine] = places[:, : len(mine)]
        pairs.append(np.broadcast_to(dealt, shape).ravel())
        total += math.prod(shape)
    blocks = np.concatenate(pairs).astype(np.int32)
    kinds = np.concatenate([np.arange(len(part)) // len(used) % len(preparations) for part in pairs])
    rows = preparations[kinds].astype(np.float32)
    return Workload("characterise", backend, used, joined, counts, rows, blocks, index)


def _fewest(lines: Sequence[Sequence[int]], counts: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """The best lines, and no more of them than keep the number of circuits for each count at its least."""
    needed = (math.ceil(count / math.ceil(count / len(lines))) for count in counts)
    return tuple(tuple(line) for line in lines[: max(needed)])
