"""The ledger is durable, refuses what it should not touch, and has one writer."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safety import SAFETY

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.qpu.ledger_schema import MOVES

KEY = "ab" * 16


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def planned(ledger, key=KEY, seconds=3.0):
    return ledger.plan(key, "a label", "digest", "[]", seconds)


def finish(ledger, tag, array, used=2.5):
    ledger.move(tag, "unknown", intended=1.0)
    ledger.move(tag, "submitted", job=f"job of {tag}")
    ledger.store(tag, array, used)


@settings(max_examples=15, deadline=None)
@given(
    array=arrays.arrays(
        dtype=st.sampled_from([np.int64, np.uint8, np.float32, np.bool_, np.complex128]),
        shape=arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_a_result_comes_back_as_it_was(tmp_path_factory, array):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    with ledger.writing():
        finish(ledger, planned(ledger), array)
    ledger.close()
    found = Ledger(ledger.path).result(KEY)
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_commits_survive_a_power_cut(ledger):
    values = {name: ledger._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert values == {"journal_mode": "delete", "synchronous": 3}  # 3: EXTRA, the folder is synced too


def test_every_change_leaves_an_event(ledger):
    with ledger.writing():
        tag = planned(ledger)
        finish(ledger, tag, np.arange(3))
    assert [state for _, state, _ in ledger.events(tag)] == ["planned", "unknown", "submitted", "done"]
    times = [time for time, _, _ in ledger.events(tag)]
    assert times == sorted(times)
    (row,) = ledger.rows()
    assert (row["state"], row["used_seconds"], row["estimated_seconds"], row["attempt"]) == ("done", 2.5, 3.0, 1)


@pytest.mark.parametrize("state", MOVES)
def test_there_is_no_way_but_those_stated(ledger, state):
    path = {
        "planned": [],
        "unknown": ["unknown"],
        "submitted": ["unknown", "submitted"],
        "done": ["unknown", "submitted", "done"],
        "failed": ["unknown", "submitted", "failed"],
        "abandoned": ["unknown", "abandoned"],
        "withdrawn": ["withdrawn"],
    }[state]
    with ledger.writing():
        tag = planned(ledger)
        for step in path:
            ledger.move(tag, step)
        for other in set(MOVES) - MOVES[state]:
            with pytest.raises(RuntimeError, match="no way"):
                ledger.move(tag, other)
    assert ledger.attempt(tag)["state"] == state


def test_a_key_stands_for_one_thing(ledger):
    with ledger.writing():
        planned(ledger)
        with pytest.raises(CayleyError, match="another key"):
            ledger.plan(KEY, "a label", "other digest", "[]", 1.0)
    assert len(ledger.rows()) == 1


def test_seconds_count_all_that_may_be_paid(ledger):
    with ledger.writing():
        tags = [planned(ledger, f"{number:02x}" * 16, 10.0**number) for number in range(4)]
        ledger.move(tags[1], "unknown")
        finish(ledger, tags[2], np.zeros(1), used=7.0)
        finish(ledger, tags[3], np.zeros(1), used=None)
        ledger.stray("second", tags[1], "CANCELLED", "", used=0.5)
        assert ledger.seconds() == pytest.approx(10.0 + 7.0 + 1000.0 + 0.5)
        ledger.stray("third", tags[2], "RUNNING", "")
    assert ledger.seconds() == pytest.approx(10.0 + 7.0 + 1000.0 + 0.5 + 100.0)


def test_a_process_may_stop_between_any_two_statements(tmp_path, monkeypatch):
    """What is on disk after each statement opens again, as it was before the transaction or after it."""
    ledger, copies = Ledger(tmp_path / "ledger.sqlite"), []
    write = Ledger._write

    def copying(self, statement, values=()):
        for moment in ("before", "after"):
            if moment == "after":
                write(self, statement, values)
                self._db.execute("PRAGMA cache_spill = 1")
            copies.append(tmp_path / f"copy {len(copies)}")
            shutil.copytree(tmp_path, copies[-1], ignore=shutil.ignore_patterns("copy *", "*.lock"))

    monkeypatch.setattr(Ledger, "_write", copying)
    with ledger.writing():
        tag = planned(ledger)
        finish(ledger, tag, np.arange(50_000))
        ledger.abandon(planned_and_failed(ledger), "again")
    monkeypatch.undo()
    seen = set()
    for copy in copies:
        found = Ledger(copy / "ledger.sqlite")
        states = [row["state"] for row in found.rows()]
        assert found.has_result(KEY) == ("done" in states)
        events = sum(len(found.events(row["tag"])) for row in found.rows())
        assert events == sum(
            {"planned": 1, "unknown": 2, "submitted": 3, "done": 4, "failed": 4, "abandoned": 5}[s] for s in states
        )
        seen.add(tuple(states))
        found.close()
    assert {(), ("planned",), ("unknown",), ("submitted",), ("done",), ("done", "failed")} <= seen
    assert ("done", "abandoned") not in seen  # the next attempt is planned in the same transaction


def planned_and_failed(ledger):
    tag = planned(ledger, "cd" * 16)
    for state in ("unknown", "submitted", "failed"):
        ledger.move(tag, state)
    return tag


@pytest.mark.parametrize("damage", ["text", "page", "result"])
def test_a_damaged_file_is_refused_and_kept(tmp_path, damage):
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    with ledger.writing():
        finish(ledger, planned(ledger), np.full(3000, 77, np.uint8))
    ledger.close()
    content = bytearray(path.read_bytes())
    if damage == "text":
        content = bytearray(b"job,result\n" * 1000)
    elif damage == "page":
        content[4096:8192] = os.urandom(4096)
    else:
        place = content.index(bytes([77] * 100))
        content[place] = 78
    path.write_bytes(content)
    with pytest.raises(CayleyError, match=r"damaged.*do not delete it.*recover"):
        Ledger(path).result(KEY)
    assert path.read_bytes() == content


def test_another_programs_database_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(CayleyError, match="another program"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_of_the_first_version_is_gone_on_with(ledger):
    with ledger.writing():
        finish(ledger, planned(ledger), np.arange(3))
    for table in ("cap", "agreement"):
        ledger._db.execute(f"DROP TABLE {table}")
    ledger._db.execute("PRAGMA user_version = 1")
    ledger.close()
    found = Ledger(ledger.path)
    np.testing.assert_array_equal(found.result(KEY), np.arange(3))
    with found.writing():
        found.intend(planned(found, "cd" * 16), 7)
    assert found.seconds() == 2.5 + 7
    assert Ledger(ledger.path).rows()[1]["cap_seconds"] == 7


def test_a_later_schema_is_refused(ledger):
    ledger._db.execute("PRAGMA user_version = 99")
    ledger.close()
    with pytest.raises(CayleyError, match="schema version 99"):
        Ledger(ledger.path)


def test_a_missing_file_is_made_only_on_demand(tmp_path):
    with pytest.raises(CayleyError, match="qpu submit"):
        Ledger(tmp_path / "ledger.sqlite", create=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(CayleyError, match="cannot open"):
        Ledger(tmp_path / "folder" / "ledger.sqlite")


def test_objects_are_no_results(ledger):
    with ledger.writing():
        tag = planned(ledger)
        ledger.move(tag, "unknown")
        ledger.move(tag, "submitted")
        with pytest.raises(CayleyError, match="Python objects"):
            ledger.store(tag, np.array([{}]), None)
    assert ledger.attempt(tag)["state"] == "submitted"


def test_writing_needs_the_lock(ledger):
    with pytest.raises(RuntimeError, match="inside"):
        planned(ledger)


def _hold(path: Path, ready, leave) -> None:
    with Ledger(path).writing():
        ready.set()
        leave.wait(SAFETY)


def test_a_second_writer_is_told_who_has_it_and_a_killed_one_leaves_no_lock(ledger):
    context = multiprocessing.get_context("spawn")
    ready, leave = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(ledger.path, ready, leave), daemon=True)
    holder.start()
    assert ready.wait(SAFETY)
    with pytest.raises(CayleyError, match=rf"process {holder.pid} on .* is writing.*qpu status"), ledger.writing():
        pass
    assert ledger.rows() == []  # reading needs no lock
    holder.kill()
    holder.join()
    with ledger.writing(wait=True):
        planned(ledger)
    assert len(ledger.rows()) == 1
