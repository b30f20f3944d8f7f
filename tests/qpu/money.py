"""Random faults of every kind against works that must be paid once, and a table of what was paid.

A line's works, jobs and seconds are those of the worlds in which half of the faults are of its kind.

``python tests/qpu/money.py 2000 [SEED]`` injects so many; the suite injects a few.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from qiskit_ibm_runtime.api import session
from submitting import BACKEND, CAP, Clock, key_of, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger, work_tag
from cayley_adapters.qpu.ledger_spending import Agreement
from cayley_adapters.qpu.submission import Submission

CALLS = ["jobs_get", "job_get", "job_metadata", "job_results", "create_session", "session_details", "close_session"]
CALLS += ["backend_status", "cloud_usage", "backend_configuration", "job_cancel"]
STATUS = [400, 408, 409, 429, 500, 502, 503, 504]
DAY = 86_400.0


class Killed(BaseException):
    """Stands for SIGKILL: no handler of errors catches it."""


@dataclass
class Fuse:
    """Kills the process the n-th time that it is passed; 0: never."""

    left: int = 0

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


class Wall(Clock):
    """A machine's clock, which may be wrong, and before each reading of which the process may die."""

    def __init__(self, fuse: Fuse, skew: float) -> None:
        super().__init__()
        self._fuse, self._skew = fuse, skew

    def time(self) -> float:
        self._fuse()
        return super().time() + self._skew


@dataclass
class Row:
    """A line of the table: of one kind of fault."""

    faults: int = 0
    works: int = 0
    jobs: int = 0
    double: int = 0
    seconds: float = 0.0


@dataclass
class World:
    """One service and the machines that send the same works to it, each with a ledger of its own."""

    seed: int
    kind: str
    max_seconds: float = 1e6
    charge: float = 1.0
    skew: float = 0.0
    fuse: Fuse = field(default_factory=Fuse)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.folder = Path(tempfile.mkdtemp())
        self.machines = [self.folder / "a"]
        self.works = works(3, pilot=True)
        self.decided: Counter[str] = Counter()
        self.lost = False
        self.service = twin(self.folder)

    # --- faults ------------------------------------------------------------------------------------------------------

    def strike(self) -> None:
        getattr(self, f"_{self.kind}")()

    def _reply(self) -> None:
        kind = self.draw.choice(["lost_reply", "lost_request", "unreachable", "retried", "truncated"])
        self.service.fault("program_run", kind, after=self.draw.randrange(3))

    def _status(self) -> None:
        status = self.draw.choice(STATUS)
        self.service.fault(
            "program_run", "status", after=self.draw.randrange(3), times=self.draw.randint(1, 3), status=status
        )

    def _call(self) -> None:
        kind = self.draw.choice(["lost_reply", "lost_request", "unreachable", "truncated", "status"])
        details = {"status": self.draw.choice(STATUS)} if kind == "status" else {}
        times = self.draw.randint(1, 4)
        self.service.fault(self.draw.choice(CALLS), kind, after=self.draw.randrange(4), times=times, **details)

    def _fate(self) -> None:
        self.service.fault(
            "program_run", self.draw.choice(["fails", "operator", "too_long", "expires"]), after=self.draw.randrange(3)
        )

    def _results(self) -> None:
        self.service.fault(
            "job_results", self.draw.choice(["withheld", "damaged", "short"]), times=self.draw.randint(1, 4)
        )

    def _kill(self) -> None:
        self.fuse.left = self.draw.randint(1, 120)

    def _copied(self) -> None:
        """The results folder is copied, mostly in the middle of sending, and both go on."""
        self._kill()
        self.run(self.machines[0])
        other = self.folder / f"copy{len(self.machines)}"
        if self.machines[0].exists():
            shutil.copytree(self.machines[0], other)
            self.machines.append(other)
            self.lost = True

    def _deleted(self) -> None:
        """Ledger and lock are deleted in the middle of sending."""
        self._kill()
        self.run(self.machines[0])
        shutil.rmtree(self.machines[0], ignore_errors=True)
        self.lost = True

    def _machine(self) -> None:
        """Somebody sends the same works from elsewhere."""
        self.machines.append(self.folder / f"machine{len(self.machines)}")
        self.lost = True

    def _clock(self) -> None:
        self.skew = self.draw.uniform(-3 * DAY, 3 * DAY)
        self._reply()

    def _charge(self) -> None:
        self.charge = self.draw.choice([0.3, 1.3, 2.0, 3.0, 6.0, 20.0])

    # --- runs --------------------------------------------------------------------------------------------------------

    def run(self, machine: Path) -> dict[str, np.ndarray] | None:
        """Start a process on a machine, and decide as a careful person would if it asks for a decision."""
        service = twin(self.folder, charge_factor=self.charge)
        handle = service._server.handle

        def fused(method, target, body):
            self.fuse()  # before the request arrives
            reply = handle(method, target, body)
            self.fuse()  # after it has been handled
            return reply

        service._server.handle = fused
        ledger = Ledger(machine / "ledger.sqlite")
        submission = Submission(
            ledger,
            service,
            BACKEND,
            max_seconds=self.max_seconds,
            clock=Wall(self.fuse, self.skew),
            unknown_seconds=30.0,
            longest_pause=10.0,
            tries=3,
        )
        try:
            submission.submit(self.works)
            return submission.collect(self.works, wait=True)
        except Killed:
            return None
        except CayleyError as error:
            self.fuse.left = 0
            self._decide(submission, ledger, str(error))
            return None
        finally:
            self.fuse.left = 0
            ledger.close()

    def _decide(self, submission: Submission, ledger: Ledger, said: str) -> None:
        if "new estimate" in said:
            factor = ledger.factor(BACKEND)
            assert factor is not None
            with ledger.writing():
                ledger.agree(Agreement("", self.max_seconds, 0.0, factor))
            return
        rows = [row for row in submission.status() if row["tag"] in said and row["state"] in ("unknown", "failed")]
        for row in rows[-1:]:
            key = row["tag"].split("-")[1]
            there = [paid.job_id for paid in self.service.paid() if key_of(paid.tags) == key]
            unheard = [job for job in there if ledger.known_job(job) is None]
            try:
                if row["state"] == "unknown" and unheard:
                    submission.resolve(row["tag"], adopt=unheard[-1])
                else:
                    submission.resolve(row["tag"], resubmit=True)
                    self.decided[key] += row["state"] == "failed"
            except CayleyError:
                continue  # the service does not answer: another time

    # --- what must be true -------------------------------------------------------------------------------------------

    def double(self) -> int:
        """Jobs that ran for a work beside the one that counts, none of which the service or its operator has ended."""
        done = Counter(key_of(paid.tags) for paid in self.service.paid() if paid.state not in ("Failed", "Cancelled"))
        return sum(count - 1 for count in done.values())

    def check(self) -> None:
        paid = self.service.paid()
        assert self.double() == 0, (self.seed, self.kind, paid)
        for job in paid:
            assert job.quantum_seconds <= job.cap + 1e-9, (self.seed, self.kind, job)
        if not self.lost:
            assert sum(job.quantum_seconds for job in paid) <= self.max_seconds
        assert {job.tags[-2] for job in paid} <= {work_tag(work.key) for work in self.works}

    def finish(self) -> None:
        """Without further faults every machine gets the results, those of the one job of each work."""
        with self.service._store.transaction() as db:
            db.execute("DELETE FROM faults")
        for machine in self.machines:
            for _ in range(30):
                found = self.run(machine)
                if found is not None:
                    break
            else:
                raise AssertionError((self.seed, self.kind, "the runs do not end"))
            for one in self.works:
                done = [p for p in self.service.paid() if p.state == "Completed" and key_of(p.tags) == one.key[:24]]
                assert np.array_equal(found[one.key], one.reduce(self.service.job(done[0].job_id).result()))
        self.check()

    def close(self) -> None:
        shutil.rmtree(self.folder)


KINDS = ["reply", "status", "call", "fate", "results", "kill", "copied", "deleted", "machine", "clock", "charge"]


def campaign(faults: int, seed: int = 0, kinds: list[str] | None = None) -> dict[str, Row]:
    """Inject so many faults, five to nine into each world, half of them of the kind that its line is named for."""
    draw, table, done = random.Random(seed), {kind: Row() for kind in kinds or KINDS}, 0
    names, worlds = list(table), 0
    draw.shuffle(names)
    while done < faults:
        main = names[worlds % len(names)]
        world = World(draw.randrange(2**32), main)
        try:
            for number in range(draw.randint(5, 9)):
                world.kind = main if number % 2 == 0 else draw.choice(names)
                table[world.kind].faults += 1
                world.strike()
                done += 1
                if number % 3 == 2:
                    for machine in list(world.machines):
                        world.run(machine)
                        world.check()
            world.kind = main
            world.finish()
            row, paid = table[main], world.service.paid()
            row.works += len(world.works)
            row.jobs += len(paid)
            row.double += world.double()
            row.seconds += sum(job.quantum_seconds for job in paid)
        finally:
            world.close()
        worlds += 1
    return table


def main() -> None:
    faults, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    session.inspect.stack = lambda: []  # all callers of each request, for a header that nobody reads here
    found: list[dict[str, Row]] = []
    while sum(total(table).faults for table in found) < faults:
        found.append(campaign(66, 1000 * seed + len(found)))
        show(joined(found))


def show(table: dict[str, Row]) -> None:
    """Print the table."""
    print("kind      faults  works   jobs  double  seconds paid")
    for kind, row in [*table.items(), ("all", total(table))]:
        print(f"{kind:9s} {row.faults:6d} {row.works:6d} {row.jobs:6d} {row.double:7d} {row.seconds:13.1f}", flush=True)


def joined(tables: list[dict[str, Row]]) -> dict[str, Row]:
    """Return the sums of tables, line by line."""
    return {kind: total({str(i): table[kind] for i, table in enumerate(tables)}) for kind in KINDS}


def total(table: dict[str, Row]) -> Row:
    rows = table.values()
    return Row(*(sum(getattr(row, name) for row in rows) for name in Row.__dataclass_fields__))


if __name__ == "__main__":
    assert CAP == 2.0
    main()
