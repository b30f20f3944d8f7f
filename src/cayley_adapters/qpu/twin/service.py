"""The twin of the service: the installed ``QiskitRuntimeService`` on a server that is a folder."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.accounts import Account

from cayley_adapters.circuits.noise.hidden import NOTHING, Hidden
from cayley_adapters.qpu.account import TWIN_PLAN
from cayley_adapters.qpu.twin.device import device_named
from cayley_adapters.qpu.twin.faults import add_fault
from cayley_adapters.qpu.twin.jobs import Conditions
from cayley_adapters.qpu.twin.server import CALLS, Server
from cayley_adapters.qpu.twin.store import CHARGED, MOCK, Store, advance
from cayley_adapters.qpu.twin.transport import INSTANCE, TwinClient

__all__ = ["Paid", "TwinService"]


@dataclass(frozen=True)
class Paid:
    """What the server knows of an accepted job.

    Attributes:
        job_id: Its id.
        tags: Its tags.
        state: ``Queued``, ``Running``, ``Completed``, ``Failed`` or ``Cancelled``.
        executions: Bound circuits times shots that it asked for.
        quantum_seconds: What it is charged; nothing before its end.
        cap: At how many seconds it is ended.
    """

    job_id: str
    tags: tuple[str, ...]
    state: str
    executions: int
    quantum_seconds: float
    cap: float


class _TwinAccount(Account):
    """The account of the twin's only user: no secret, one instance."""

    def __init__(self, plan: str, pricing: str) -> None:
        super().__init__(token="")
        self._only = {"crn": INSTANCE, "plan": plan, "name": "twin", "tags": [], "pricing_type": pricing}

    def list_instances(self) -> list[dict[str, Any]]:
        return [dict(self._only)]


class TwinService(QiskitRuntimeService):
    """An offline service that behaves as the real one, for the library's own batches, samplers, jobs and backends.

    Several processes may open one folder. Their jobs run one by one, by the clock, on the snapshot of a device; the
    counts come from :func:`~cayley_adapters.qpu.simulate.run_program` when somebody asks for them, and a job gives the
    same ones whoever asks.

    Args:
        folder: The server's memory; made if need be.
        backend: Snapshot such as ``FakeFez``; the service calls it ``fake_fez``.
        seed: Seed of the counts of the jobs that this object submits.
        queue_seconds: How long they wait at least.
        run_seconds: How long each runs; none: as long as it is charged for.
        listing_seconds: How long listings do not show them.
        charge_factor: How many times what they take they are charged.
        limit_seconds: What the plan of its instance allows in all; none: no limit.
        plan: Name of that plan and its pricing, such as ``("open", "free")``.
        dry_runs: Whether that plan has dry runs: a counterpart of the device whose jobs are charged nothing.
        retry_pause: Seconds by which the library's own retries grow apart (0.5 in its client of the real service).
        hidden: How the device differs from its calibration, which is all that it tells, while those jobs run.

    Raises:
        CayleyError: If there is no such snapshot.
    """

    def __init__(
        self,
        folder: Path | str,
        backend: str = "FakeFez",
        seed: int = 0,
        queue_seconds: float = 0.0,
        run_seconds: float | None = 0.0,
        listing_seconds: float = 0.0,
        charge_factor: float = 1.0,
        limit_seconds: float | None = None,
        plan: tuple[str, str] = (TWIN_PLAN, "free"),
        dry_runs: bool = False,
        retry_pause: float = 0.0,
        hidden: Hidden = NOTHING,
    ) -> None:
        device = device_named(backend)
        self._store = Store(Path(folder))
        names = [device.name] + [device.name.replace("fake_", MOCK, 1)] * dry_runs
        with self._store.transaction() as db:
            for name in names:
                db.execute("INSERT OR IGNORE INTO backends (name, snapshot) VALUES (?, ?)", (name, backend))
        conditions = Conditions(seed, queue_seconds, run_seconds, listing_seconds, charge_factor, limit_seconds, hidden)
        self._server = Server(self._store, conditions)
        self._retry_pause, self._plan = retry_pause, plan
        super().__init__(instance="auto")

    def _discover_account(self, **_: Any) -> Account:
        return _TwinAccount(*self._plan)

    def _create_new_cloud_api_client(self, instance: str) -> TwinClient:
        return TwinClient(self._server, self._retry_pause)

    def fault(self, call: str, kind: str, after: int = 0, times: int = 1, **details: Any) -> None:
        """Let something go wrong, once or several times, in whichever process it happens.

        Args:
            call: Method of the client, such as ``program_run``, ``jobs_get``, ``job_get`` or ``job_results``.
            kind: One of :data:`~cayley_adapters.qpu.twin.faults.CALL_FAULTS`, or for ``program_run`` one of
                :data:`~cayley_adapters.qpu.twin.faults.FATES`, for ``job_results`` one of
                :data:`~cayley_adapters.qpu.twin.faults.RESULT_FAULTS`. A call may meet one of the former and a fate.
            after: How many such calls go well first.
            times: How many meet it.
            **details: What the kind takes, such as ``status=503``, ``seconds=1.0``, ``fraction=0.5``.

        Raises:
            CayleyError: If there is no such method or kind.
        """
        with self._store.transaction() as db:
            add_fault(db, CALLS, call, kind, after, times, details)

    def paid(self) -> list[Paid]:
        """Return what has been accepted and what was paid for it, in the order of acceptance; dry runs are not paid."""
        with self._store.transaction() as db:
            advance(db, time.time())
            rows = db.execute(f"SELECT * FROM jobs WHERE {CHARGED} ORDER BY number").fetchall()
        return [
            Paid(
                row["id"], tuple(json.loads(row["tags"])), row["state"], row["executions"], row["charged"], row["cost"]
            )
            for row in rows
        ]
