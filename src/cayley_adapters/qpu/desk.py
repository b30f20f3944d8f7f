"""Workloads to counts: jobs of a workload, the ledger of a results folder, and what a person may ask of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.hints import command
from cayley_adapters.core.messages import Progress, text_table
from cayley_adapters.qpu.account import TWIN_PLAN, account_of, bill_of, screen
from cayley_adapters.qpu.calls import calls_of
from cayley_adapters.qpu.cost import JOB_SECONDS, split_circuits
from cayley_adapters.qpu.counts import measurement_id
from cayley_adapters.qpu.ledger import Ledger, ledger_path, work_tag
from cayley_adapters.qpu.ledger_spending import Agreement
from cayley_adapters.qpu.payload import Work
from cayley_adapters.qpu.rehearsal import rehearse
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import seconds_per_execution
from cayley_adapters.qpu.submission import Submission
from cayley_adapters.qpu.template import REGISTER, PackedTemplate, packed_template
from cayley_adapters.qpu.workload import Workload

if TYPE_CHECKING:
    from qiskit.primitives import PrimitiveResult
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService

__all__ = ["Desk", "jobs_of", "status_table", "under_way"]


def jobs_of(workload: Workload, sampling: Sampling, backend: IBMBackend) -> list[tuple[np.ndarray, Work]]:
    """Split a workload into jobs.

    Args:
        workload: What is measured.
        sampling: Shots and limits.
        backend: The processor.

    Returns:
        The pairs (indices) of each job, and the job; the first is small where there are many. Its key follows from the
        workload's content, the options that the service is given and the pairs alone, so that it is known again
        whenever, and from wherever, it is asked for.

    Raises:
        CayleyError: The workload was planned for another processor.
    """
    if workload.backend != backend.name:
        raise CayleyError(
            f"this was planned for {workload.backend} and its qubits, not for {backend.name}; plan it with the same "
            f"settings first: {command('qpu plan')}"
        )
    measurement = measurement_id(workload, sampling)
    found: list[tuple[np.ndarray, Work]] = []
    for ansatz, pairs in workload.parts():
        template = packed_template(ansatz, workload.lines, backend)
        once = seconds_per_execution(backend, template.circuit)
        start = 0
        limits = sampling.executions_per_circuit, sampling.executions_per_job
        for circuits in split_circuits(template.sets(len(pairs)), *limits, first=not found):
            mine = pairs[start : start + circuits * len(workload.lines)]
            key = hashlib.sha256(f"{measurement} {len(ansatz.couplers)} {start} {len(mine)}".encode()).hexdigest()
            values = template.values(workload.slices[mine], workload.circuits, workload.blocks[mine])
            work = Work(
                key,
                f"{circuits} circuits from pair {start} ({len(ansatz.couplers)} CZ a block)",
                [(template.circuit, values, sampling.shots)],
                JOB_SECONDS + circuits * sampling.executions_per_circuit * once,
                partial(_counts, template, len(mine)),
                pilot=not found,
            )
            found.append((mine, work))
            start += len(mine)
    return found


def _counts(template: PackedTemplate, pairs: int, result: PrimitiveResult) -> np.ndarray:
    return template.counts(getattr(result[0].data, REGISTER), pairs)


class Desk:
    """Sends workloads to a processor and fetches their counts, each job once.

    Args:
        base: Results folder, which holds the ledger.
        service: A ``QiskitRuntimeService``.
        backend: One of its processors.
        options: ``max_seconds``, ``cap_factor``, ``unknown_seconds`` and ``attempts`` of the ``qpu`` group.
        sampling: Shots and limits.
        label: What progress lines call it; without one there are none.
    """

    def __init__(
        self,
        base: str | Path,
        service: QiskitRuntimeService,
        backend: IBMBackend,
        options: Mapping[str, Any],
        sampling: Sampling,
        label: str | None,
    ) -> None:
        self._ledger, self._backend, self._sampling, self._label = Ledger(ledger_path(base)), backend, sampling, label
        self._service, self._options = service, options
        self._submission = Submission(
            self._ledger,
            service,
            backend.name,
            sampling.options(),
            max_seconds=options["max_seconds"],
            cap_factor=options["cap_factor"],
            unknown_seconds=options["unknown_seconds"],
            max_attempts=options["attempts"],
        )

    def send(self, workload: Workload, price: float, asked: Callable[[str], bool]) -> list[dict[str, Any]]:
        """Send a workload's jobs, but for those that were sent before, and return the rows of all its jobs.

        Args:
            workload: What is measured.
            price: US dollars a second.
            asked: Shown who pays for what (:func:`~cayley_adapters.qpu.account.screen`) before the first job is sent,
                and whenever more is to be spent than was agreed to before; says whether a person agrees.

        Raises:
            CayleyError: Nobody has agreed, or as :meth:`Submission.submit`.
        """
        works = [work for _, work in jobs_of(workload, self._sampling, self._backend)]
        self._require_agreement([work for work in works if not self._ledger.was_sent(work.key)], price, asked)
        self._submission.submit(works, self._progress())
        starts = tuple(f"{work_tag(work.key)}-" for work in works)
        return [row for row in self._submission.status() if row["tag"].startswith(starts)]

    def _require_agreement(self, works: list[Work], price: float, asked: Callable[[str], bool]) -> None:
        if not works:
            return
        account, old = account_of(calls_of(self._service, self._backend)), self._ledger.agreement()
        rehearsed = self._rehearsed(works) if old is None or old.instance != account.instance else None
        factor = max(self._ledger.expected_factor(self._backend.name), rehearsed or 1.0)
        wanted = Agreement(account.instance, self._options["max_seconds"], price, factor)
        if old is not None and old.covers(wanted):
            return
        options = {**self._options, "price_per_second": price}
        shown = screen(account, bill_of(self._ledger, self._backend.name, works, options, rehearsed))
        if account.plan != TWIN_PLAN and not asked(shown):
            yes = command("qpu submit", "--yes")
            raise CayleyError(
                f"nothing was sent, since nobody has agreed to it; to agree, type: {yes} (or qpu.agree=true)"
            )
        with self._ledger.writing():
            self._ledger.agree(wanted)

    def _rehearsed(self, works: Sequence[Work]) -> float | None:
        """What the service's dry run says of the pilot, in units of its estimate; None where there is none."""
        pilot = next((work for work in works if work.pilot), None)
        if pilot is None:
            return None
        calls = calls_of(self._service, self._backend)
        seconds = rehearse(calls, pilot, self._sampling.options(), self._options["unknown_seconds"])
        return None if seconds is None else seconds / pilot.seconds

    def fetch(self, workload: Workload) -> np.ndarray:
        """Wait for a workload's jobs and return its counts (N, d)."""
        parts = jobs_of(workload, self._sampling, self._backend)
        found = self._submission.collect([work for _, work in parts], wait=True, progress=self._progress())
        counts = np.zeros(workload.slices.shape, dtype=np.int64)
        for pairs, work in parts:
            counts[pairs] = found[work.key]
        return counts

    def _progress(self) -> Progress | None:
        return Progress(self._label) if self._label else None

    def refresh(self) -> None:
        """Ask the service once how all jobs of the ledger fare, and note it there."""
        self._submission.poll()

    def resolve(self, tag: str, adopt: str | None) -> str:
        """Adopt a job as a submission of unknown fate, or plan that submission again; return what was done."""
        return self._submission.resolve(tag, adopt=adopt, resubmit=adopt is None)


def under_way(base: str | Path) -> bool:
    """Say whether a results folder has jobs at a service whose fate is open."""
    path = ledger_path(base)
    return path.exists() and any(row["state"] in ("submitted", "unknown") for row in Ledger(path).rows())


def status_table(base: str | Path) -> str:
    """Return the ledger of a results folder as a table to read in a terminal.

    Raises:
        CayleyError: Nothing was sent from there.
    """
    path = ledger_path(base)
    if not path.exists():
        raise CayleyError(f"{base}: nothing was sent to a processor yet. Send it with: {command('qpu submit')}")
    rows = Ledger(path).rows()
    titles = {"label": "job", "tag": "tag", "attempt": "attempt", "state": "state", "job": "id at the service"}
    titles |= {
        "seen": "state there",
        "estimated_seconds": "seconds, estimated",
        "cap_seconds": "at most",
        "used_seconds": "used",
        "reason": "reason",
    }
    table = [{title: _shown(row[name]) for name, title in titles.items()} for row in rows]
    used = sum(row["used_seconds"] or 0 for row in rows)
    sent = sum(row["state"] != "planned" for row in rows)
    return f"{text_table(table, list(titles.values()))}\n{path}: {sent} sent, {used:.0f} s used"


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.0f}" if isinstance(value, float) else str(value)
