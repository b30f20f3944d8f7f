"""Dry runs without a service: workloads on any backend of Qiskit's, in the local mode of the Sampler.

Nothing is sent, so there is no ledger, and nothing to pay. Lines of a packed circuit never meet, so each is run as a
circuit of its own, which any simulator can hold.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import Progress
from cayley_adapters.qpu.counts import measurement_id
from cayley_adapters.qpu.template import REGISTER, packed_template

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

    from cayley_adapters.qpu.sampling import Sampling
    from cayley_adapters.qpu.workload import Workload

__all__ = ["LocalDesk", "local_backend"]


def local_backend(name: str) -> BackendV2:
    """Return a backend by its name.

    Args:
        name: A snapshot such as ``FakeFez``, or where a module names a ``BackendV2`` or a class of such, for example
            ``my_devices.mine``.

    Raises:
        CayleyError: There is none.
    """
    from qiskit.providers import BackendV2

    from cayley_adapters.circuits.noise.backends import snapshot

    module, _, attribute = name.rpartition(".")
    if not module:
        return snapshot(name)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise CayleyError(
            f"qpu.backend={name}: cannot be imported ({error}); give a snapshot such as FakeFez, or MODULE.NAME"
        ) from None
    if isinstance(found, type) and issubclass(found, BackendV2):
        found = found()
    if not isinstance(found, BackendV2):
        raise CayleyError(f"qpu.backend={name}: is a {type(found).__name__} and no Qiskit BackendV2; give one")
    return found


class LocalDesk:
    """Runs workloads here; takes the place of :class:`~cayley_adapters.qpu.desk.Desk`.

    Args:
        backend: Any ``BackendV2``.
        sampling: Shots and options.
        label: What progress lines call it; without one there are none.
    """

    def __init__(self, backend: BackendV2, sampling: Sampling, label: str | None) -> None:
        self._backend, self._sampling, self._label = backend, sampling, label

    def send(self, workload: Workload, price: float, asked: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Send nothing."""
        return []

    def fetch(self, workload: Workload) -> np.ndarray:
        """Run a workload and return its counts (N, d): the same for the same measurement."""
        from qiskit_ibm_runtime.executor_sampler import Sampler
        from qiskit_ibm_runtime.options_models import SamplerOptions

        options = SamplerOptions(**self._sampling.options())
        options.simulator.seed_simulator = int(measurement_id(workload, self._sampling)[:7], 16)
        counts = np.zeros(workload.slices.shape, dtype=np.int64)
        progress, k = Progress(self._label) if self._label else None, len(workload.lines)
        for ansatz, pairs in workload.parts():
            for i, line in enumerate(workload.lines):
                mine = pairs[i::k]
                if not len(mine):
                    continue
                template = packed_template(ansatz, [line], self._backend)
                values = template.values(workload.slices[mine], workload.circuits, workload.blocks[mine])
                sampler = Sampler(mode=self._backend, options=options)
                result = sampler.run([(template.circuit, values, self._sampling.shots)]).result()
                counts[mine] = template.counts(getattr(result[0].data, REGISTER), len(mine))
                if progress:
                    progress(i + 1, k, f"lines of {len(ansatz.couplers)} CZ a block")
        return counts

    def refresh(self) -> None:
        """Do nothing: nothing is under way."""

    def resolve(self, tag: str, adopt: str | None) -> str:
        """Refuse.

        Raises:
            CayleyError: Always.
        """
        raise CayleyError(f"{tag}: with qpu.service=local nothing is ever sent; there is nothing to decide about")
