"""What runs the blocks of an adapted model: exact arithmetic, the batched simulator, or Qiskit Aer.

An executor takes the activations that enter a projection and returns them with every slice run through its block.
:func:`cayley_adapters.adapters.cayley.model.set_executor` gives one to a model; switching needs no reload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from cayley_adapters.adapters.cayley.layer import constrain_signs
from cayley_adapters.adapters.cayley.rotation import rotate
from cayley_adapters.circuits.sizes import LARGE_BLOCK
from cayley_adapters.kernels.shots import magnitudes
from cayley_adapters.simulation.compiled import CompiledBlocks, compile_blocks, probabilities
from cayley_adapters.simulation.measurement import characterise, sample

if TYPE_CHECKING:
    from cayley_adapters.circuits.blocks import BlockCircuits
    from cayley_adapters.circuits.noise.device import DeviceNoise
    from cayley_adapters.simulation.mitigations import Undo

__all__ = [
    "AerExecutor",
    "ExactExecutor",
    "Executor",
    "NoisyExecutor",
    "batched",
    "by_aer",
    "characterised",
    "measured_once",
    "signs_of_inputs",
    "signs_of_products",
    "without_signs",
]


class Executor(Protocol):
    """Activations of a layer in, activations out.

    Example:
        >>> class Unrotated:
        ...     def __call__(self, key, x):
        ...         return x
        >>> executor: Executor = Unrotated()
        >>> executor("o_proj", [0.6, 0.8])
        [0.6, 0.8]
    """

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        """Run every slice of ``x`` through its block.

        Args:
            key: name of the adapted projection.
            x: its input, ``(…, w)``; where blocks do not divide w the last slice is filled up with zeros.

        Returns:
            ``(…, w)``, of the same dtype.
        """
        ...


class ExactExecutor:
    """Plain arithmetic with the blocks, or with maps that were measured once on a device.

    Args:
        blocks: projection → ``(B, d, d)``.
        readout: ``signed`` y = Qx, or ``sign_constrained`` y = sign(x)·|Qx|.

    Example:
        >>> import torch
        >>> quarter_turn = torch.tensor([[[0.0, -1.0], [1.0, 0.0]]])
        >>> x = torch.tensor([[0.6, 0.8]])
        >>> ExactExecutor({"o_proj": quarter_turn}, "signed")("o_proj", x)
        tensor([[-0.8000,  0.6000]])
        >>> ExactExecutor({"o_proj": quarter_turn}, "sign_constrained")("o_proj", x)
        tensor([[0.8000, 0.6000]])
    """

    def __init__(self, blocks: Mapping[str, torch.Tensor], readout: str) -> None:
        self._blocks, self._signed = blocks, readout == "signed"

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        precise = x if x.dtype in (torch.float32, torch.float64) else x.float()
        y = rotate(self._blocks[key].to(precise), precise).to(x.dtype)
        return y if self._signed else constrain_signs(x, y.abs())


class NoisyExecutor:
    """Circuits on a noisy device, simulated: y_k = s_k·‖x‖·√p̂_k.

    The signs s_k, which no measurement of these circuits shows, are those of the inputs, as in arXiv:2605.05914
    (``sign_constrained``), or those of the exact product (``ideal_sign``: no device could know them without doing the
    computation, so it is an upper bound). With finite shots p̂ is unbiased, but √p̂ underestimates √p by about
    (1 − p)/(8·shots·√p), and its variance is (1 − p)/(4·shots).

    Args:
        blocks: projection → compiled blocks, with the device's noise in them, or the blocks themselves ``(B, d, d)``
            for an ideal device; where these are no rotations, slices become as long as their products are.
        shots: measurements a circuit; ``inf`` for the probabilities themselves.
        seed: of the shots; the same seed gives the same counts, and no seed is seed 0.
        mitigation: projection → what is undone in the measured frequencies.
        ideal: projection → trained blocks ``(B, d, d)``, whose products lend their signs; the inputs' if None.
        signed: whether magnitudes are given signs at all.

    Example:
        >>> import numpy as np, torch
        >>> blocks = compile_blocks(np.array([[[0.0, -1], [1, 0]]]), DeviceNoise.from_backend("FakeFez"))
        >>> run = NoisyExecutor({"o_proj": blocks}, shots=8192)
        >>> run("o_proj", torch.tensor([[0.6, 0.8]])).round(decimals=1)
        tensor([[0.8000, 0.6000]])
    """

    def __init__(
        self,
        blocks: Mapping[str, CompiledBlocks | np.ndarray],
        shots: float = np.inf,
        seed: np.random.SeedSequence | int = 0,
        mitigation: Mapping[str, Undo | None] | None = None,
        ideal: Mapping[str, torch.Tensor] | None = None,
        signed: bool = True,
    ) -> None:
        self._blocks, self._shots, self._mitigation, self._ideal = blocks, shots, mitigation or {}, ideal
        self._generator, self._signed = np.random.default_rng(seed), signed
        plain = {name: q for name, q in blocks.items() if not isinstance(q, CompiledBlocks)}
        self._stretched = {name: q for name, q in plain.items() if not _rotations(q)}

    def probabilities(self, key: str, slices: np.ndarray) -> np.ndarray:
        """What unlimited shots give for slices ``(T, B, d)`` of a projection, ``(T, B, d)``."""
        blocks = self._blocks[key]
        if isinstance(blocks, CompiledBlocks):
            return probabilities(blocks, slices)
        square = np.square(_turned(blocks, slices))
        return square / np.maximum(square.sum(axis=-1, keepdims=True), 1e-30)

    def draw_from(self, seed: np.random.SeedSequence | int) -> None:
        """Draw all shots from here on from the stream of a seed, whatever was drawn before."""
        self._generator = np.random.default_rng(seed)

    def _shape(self, key: str) -> tuple[int, int]:
        blocks = self._blocks[key]
        return (blocks.effects if isinstance(blocks, CompiledBlocks) else blocks).shape[:2]

    def __call__(self, key: str, x: torch.Tensor) -> torch.Tensor:
        count, d = self._shape(key)
        width = x.shape[-1]
        flat = x.detach().reshape(-1, width).float().cpu()
        flat = torch.nn.functional.pad(flat, (0, count * d - width)).contiguous()
        slices = flat.numpy().reshape(-1, count, d)
        p = sample(self.probabilities(key, slices), self._shots, self._generator)
        if mitigation := self._mitigation.get(key):
            p = mitigation(p)
        signs = flat if self._ideal is None else rotate(self._ideal[key].to(flat.dtype), flat)
        signs = signs if self._signed else signs.abs()
        y = np.empty((len(slices) * count, d), dtype=np.float32)
        lengths = _turned(self._stretched[key], slices) if key in self._stretched else slices
        magnitudes(np.ascontiguousarray(lengths).reshape(-1, d), p.reshape(-1, d), signs.numpy().reshape(-1, d), y)
        return torch.from_numpy(y).reshape(-1, count * d)[:, :width].reshape(x.shape).to(x)


def _turned(blocks: np.ndarray, slices: np.ndarray) -> np.ndarray:
    """The product of blocks and slices, ``(T, B, d)``."""
    q = blocks.astype(slices.dtype)
    if q.shape[-1] > LARGE_BLOCK:
        return np.matmul(slices.swapaxes(0, 1), q.swapaxes(1, 2)).swapaxes(0, 1)
    found: np.ndarray = np.einsum("bij,tbj->tbi", q, slices)
    return found


def _rotations(blocks: np.ndarray) -> bool:
    """Whether blocks leave the length of a random slice as it is, as only rotations do."""
    probe = np.random.default_rng(0).normal(size=(*blocks.shape[:2], 1))
    before, after = (np.square(values).sum(axis=1) for values in (probe, blocks @ probe))
    return bool(np.allclose(before, after, rtol=1e-4))


class AerExecutor(NoisyExecutor):
    """The same circuits in Qiskit Aer, a density matrix each: the referee, thousands of times slower.

    Args:
        circuits: projection → synthesised blocks.
        noise: the device.
        **options: as for :class:`NoisyExecutor`.

    Example:
        >>> import numpy as np, torch
        >>> circuits = synthesise(np.array([[[0.0, -1], [1, 0]]]))
        >>> run = AerExecutor({"o_proj": circuits}, DeviceNoise.from_backend("FakeFez"))
        >>> run("o_proj", torch.tensor([[0.6, 0.8]])).round(decimals=1)
        tensor([[0.8000, 0.6000]])
    """

    def __init__(self, circuits: Mapping[str, BlockCircuits], noise: DeviceNoise, **options: Any) -> None:
        super().__init__({}, **options)
        self._circuits, self._noise = circuits, noise

    def probabilities(self, key: str, slices: np.ndarray) -> np.ndarray:
        """What unlimited shots give, see :func:`cayley_adapters.simulation.aer.aer_probabilities`."""
        from cayley_adapters.simulation.aer import aer_probabilities

        return aer_probabilities(self._circuits[key], slices, self._noise).astype(slices.dtype)

    def _shape(self, key: str) -> tuple[int, int]:
        return len(self._circuits[key]), 2 ** self._circuits[key].ansatz.qubits


def characterised(
    executor: NoisyExecutor,
    blocks: Mapping[str, torch.Tensor],
    mitigation: Mapping[str, Undo | None],
    shots: float,
    seed: np.random.SeedSequence,
) -> ExactExecutor:
    """Measure all blocks once on the device, and serve every token with the maps found: y = Q̂x, signs included.

    Args:
        executor: what gives the device's probabilities.
        blocks: projection → trained blocks ``(B, d, d)``, from which the rows' signs are taken.
        mitigation: projection → what is undone in the measured frequencies.
        shots: measurements of each of the d(d + 1)/2 preparations of a block.
        seed: of the shots.

    Returns:
        The executor of the measured maps; for their errors see
        :func:`cayley_adapters.simulation.measurement.characterise`.
    """
    generator = np.random.default_rng(seed)
    maps = {}
    for key, q in blocks.items():
        run = partial(executor.probabilities, key)
        maps[key] = torch.from_numpy(characterise(run, q.numpy(), shots, generator, mitigation.get(key))).float()
    return ExactExecutor(maps, "signed")


def batched(
    blocks: Mapping[str, torch.Tensor], circuits: Mapping[str, BlockCircuits], noise: DeviceNoise
) -> Callable[..., NoisyExecutor]:
    """The batched simulator, see :data:`cayley_adapters.simulation.simulators.SIMULATORS`.

    Blocks too large for circuits are run on an ideal device, the only one that the settings allow them.
    """
    compiled = {
        name: compile_blocks(circuits[name], noise) if name in circuits else q.numpy() for name, q in blocks.items()
    }
    return partial(NoisyExecutor, compiled)


def by_aer(
    blocks: Mapping[str, torch.Tensor], circuits: Mapping[str, BlockCircuits], noise: DeviceNoise
) -> Callable[..., NoisyExecutor]:
    """Qiskit Aer."""
    return partial(AerExecutor, circuits, noise)


def signs_of_inputs(make: Callable[..., NoisyExecutor], blocks: Mapping[str, torch.Tensor], **options: Any) -> Executor:
    """The readout ``sign_constrained``, see :data:`cayley_adapters.circuits.readouts.READOUTS`."""
    return make(**options)


def signs_of_products(
    make: Callable[..., NoisyExecutor], blocks: Mapping[str, torch.Tensor], **options: Any
) -> Executor:
    """The readout ``ideal_sign``."""
    return make(ideal={name: q.float() for name, q in blocks.items()}, **options)


def without_signs(make: Callable[..., NoisyExecutor], blocks: Mapping[str, torch.Tensor], **options: Any) -> Executor:
    """The readout ``magnitude``."""
    return make(signed=False, **options)


def measured_once(make: Callable[..., NoisyExecutor], blocks: Mapping[str, torch.Tensor], **options: Any) -> Executor:
    """The readout ``characterised``."""
    return characterised(make(**options), blocks, **options)
