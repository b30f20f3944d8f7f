"""An adapted model on a noisy device, for as long as one wants it there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cayley_adapters.adapters.cayley.model import adapted_layers, set_executor, trained_blocks
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.readouts import MEASURED
from cayley_adapters.circuits.sizes import LARGEST_NOISY_BLOCK, qubits_that_hold
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.simulation.arms import Arm, make_executor
from cayley_adapters.simulation.mitigations import MITIGATIONS
from cayley_adapters.simulation.trained_circuits import circuits_of, synthesis_named

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

    from cayley_adapters.circuits.blocks import BlockCircuits

__all__ = ["adapter_circuits", "noisy"]


@contextmanager
def noisy(
    model: Any,
    backend: str | BackendV2 | DeviceNoise = "FakeFez",
    *,
    scale: float = 1.0,
    shots: float = 8192,
    seed: int = 0,
    readout: str = "sign_constrained",
    mitigation: str = "none",
    layout: str | Sequence[int] | Sequence[Sequence[int]] = "median",
    synthesis: str = "exact",
) -> Iterator[Any]:
    """Let a model's blocks run as circuits on a noisy device, as in a cell of the map.

    Args:
        model: with Cayley blocks on it.
        backend: name of a snapshot such as ``FakeFez``, a backend of Qiskit's, or a device.
        scale: noise scale λ: 0 ideal, 1 the device as calibrated.
        shots: a circuit; infinity is unlimited.
        seed: of the shots; within one block of code they go on, and another one begins with the same.
        readout: how outputs are had of what is measured: ``sign_constrained``, ``characterised``,
            ``ideal_sign`` or ``magnitude``.
        mitigation: what is undone in measured frequencies.
        layout: as of :meth:`cayley_adapters.circuits.noise.device.DeviceNoise.from_backend`; not read for a device.
        synthesis: how blocks become circuits.

    Yields:
        The same model. What ran its blocks before runs them again afterwards.

    Raises:
        CayleyError: an unknown device, readout, mitigation or synthesis, a number of shots below 1, or blocks too large
            for noisy circuits.

    Example:
        >>> text = "to be or not to be, that is the question " * 20
        >>> adapter = train(load("tiny_random"), text=text, block_dim=2, steps=2, window=32)
        >>> with noisy(adapter, "FakeFez", scale=1, shots=8192, seed=0):
        ...     perplexity(adapter, text, window=32) != perplexity(adapter, text, window=32)
        True
    """
    if not shots >= 1:
        raise CayleyError(f"shots={shots}: give a number of at least 1, or math.inf for unlimited ones")
    MEASURED[readout], MITIGATIONS[mitigation]  # which say what is known
    device = backend if isinstance(backend, DeviceNoise) else DeviceNoise.from_backend(backend, layout=layout)
    blocks = trained_blocks(model)
    if not blocks:
        raise CayleyError("the model has no Cayley blocks; train some, or load an adapter onto it")
    largest = max(q.shape[-1] for q in blocks.values())
    if not all(layer.cayley_config["default"].runs_as_circuit for layer in adapted_layers(model).values()):
        raise CayleyError(
            f"blocks of dimension {largest} cannot be run as noisy circuits; train some whose dimension is a power of "
            f"two up to {LARGEST_NOISY_BLOCK}, and whose ansatz is not free"
        )
    arm = Arm("noisy", readout, float(scale), float(shots), mitigation)
    circuits = adapter_circuits(model, synthesis, replace(device, scale=float(scale)))
    before = {name: layer.executor for name, layer in adapted_layers(model).items()}
    set_executor(model, make_executor(arm, blocks, circuits, device, seed))
    try:
        yield model
    finally:
        for name, layer in adapted_layers(model).items():
            layer.executor = before[name]


def adapter_circuits(model: Any, synthesis: str, device: DeviceNoise) -> dict[str, BlockCircuits]:
    """The circuits of a model's blocks, by projection.

    Args:
        model: with Cayley blocks on it.
        synthesis: one of :data:`cayley_adapters.circuits.syntheses.SYNTHESES`.
        device: whose noise circuits are made for, where the synthesis is directed.
    """
    found = {}
    for name, layer in adapted_layers(model).items():
        config, theta = layer.cayley_config["default"], layer.cayley_theta["default"].detach().cpu().double()
        synthesise = synthesis_named(synthesis, lambda: device, qubits_that_hold(config.dimension))
        found[name] = circuits_of(theta, config, synthesise)
    return found
