"""Where jobs go: the real service or its offline twin. All else works on a ``QiskitRuntimeService`` and never asks.

Dry runs (:mod:`~cayley_adapters.qpu.local`) have neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.errors import CayleyError, causes, nearest

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

__all__ = ["SERVICES", "calibration_date", "connect", "processor", "repetition_delay", "seconds_per_execution"]

SERVICES = ("twin", "ibm")

_ACCOUNT = (
    "save one with QiskitRuntimeService.save_account(token=…, instance=…), or set QISKIT_IBM_TOKEN and "
    "QISKIT_IBM_INSTANCE; qpu=twin needs none"
)


def connect(service: str, backend: str, folder: Path, **conditions: Any) -> QiskitRuntimeService:
    """Open the service that jobs are sent to.

    Args:
        service: ``twin``, or ``ibm`` for the account that the user has saved or put into the environment.
        backend: Device: a snapshot such as ``FakeFez`` for the twin, a name such as ``ibm_fez`` for the real service.
        folder: The twin's memory.
        **conditions: Further arguments of :class:`~cayley_adapters.qpu.twin.TwinService`, such as ``seed``.

    Raises:
        CayleyError: If there is no such service or backend, no valid account, or no network. The message is ours, word
            by word: the libraries' own may hold a token.
    """
    if service not in SERVICES:
        raise CayleyError(f"qpu service '{service}' is unknown{nearest(service, SERVICES)}; give twin or ibm")
    if service == "twin":
        from cayley_adapters.qpu.twin import TwinService

        return TwinService(folder, backend, **conditions)
    from qiskit_ibm_runtime import QiskitRuntimeService

    try:
        opened = QiskitRuntimeService()
    except Exception as error:
        raise CayleyError(_reason(error)) from None
    processor(opened, backend)
    return opened


def processor(service: QiskitRuntimeService, backend: str) -> IBMBackend:
    """Return a service's device by its name; a snapshot's name, such as ``FakeFez``, means the twin's ``fake_fez``.

    Raises:
        CayleyError: If the service has no such device or does not answer.
    """
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    from cayley_adapters.circuits.noise.backends import snapshot

    name = snapshot(backend).name if backend.startswith("Fake") else backend
    try:
        return service.backend(name)
    except QiskitBackendNotFoundError:
        known = [device.name for device in service.backends()]
    except Exception as error:
        raise CayleyError(_reason(error)) from None
    if not known:
        raise CayleyError(f"'{name}' cannot be found: the service names no backend; check the network and the instance")
    raise CayleyError(f"the service has no backend '{name}'{nearest(name, known)}; it has {', '.join(known)}")


REPETITION_DELAY = 250e-6
"""Seconds between executions of a backend that does not state them: those of most of IBM's."""


def repetition_delay(backend: Any) -> float:
    """Return the seconds between two executions."""
    return float(getattr(backend, "default_rep_delay", None) or REPETITION_DELAY)


def seconds_per_execution(backend: Any, circuit: QuantumCircuit) -> float:
    """Return what one execution of a circuit takes on a backend; gates without a duration count as none."""
    from qiskit.exceptions import QiskitError

    try:
        return repetition_delay(backend) + float(circuit.estimate_duration(backend.target))
    except QiskitError:
        return repetition_delay(backend)


def calibration_date(backend: Any) -> str:
    """Return when a backend was calibrated, as far as it says."""
    properties = backend.properties() if hasattr(backend, "properties") else None
    return str(getattr(properties, "last_update_date", "undated"))


def _reason(error: Exception) -> str:
    """Say in our own words why the real service cannot be used."""
    from ibm_cloud_sdk_core import ApiException
    from qiskit_ibm_runtime.accounts import AccountNotFoundError, InvalidAccountError
    from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMNotAuthorizedError
    from requests import RequestException

    found = list(causes(error))
    if any(isinstance(cause, AccountNotFoundError) for cause in found):
        return f"no account of IBM Quantum is saved on this machine; {_ACCOUNT}"
    refused = [cause for cause in found if isinstance(cause, ApiException) and cause.status_code in (400, 401, 403)]
    if refused or any(isinstance(cause, IBMNotAuthorizedError) for cause in found):
        return f"IBM Quantum refuses the account's token; {_ACCOUNT}"
    if any(isinstance(cause, RequestException | ApiException | ConnectionError | TimeoutError) for cause in found):
        return "IBM Quantum cannot be reached; check the network and try again, or take qpu=twin"
    if any(isinstance(cause, InvalidAccountError | IBMInputValueError) for cause in found):
        return f"the saved account of IBM Quantum is not valid, or has no such instance; {_ACCOUNT}"
    return (
        f"IBM Quantum cannot be used ({type(error).__name__}); "
        'python -c "from qiskit_ibm_runtime import QiskitRuntimeService; QiskitRuntimeService()" says why'
    )
