"""The offline twin of the service: real clients, a server in a folder, faults on demand."""

from cayley_adapters.qpu.twin.service import Paid, TwinService
from cayley_adapters.qpu.twin.transport import TwinClient

__all__ = ["Paid", "TwinClient", "TwinService"]
