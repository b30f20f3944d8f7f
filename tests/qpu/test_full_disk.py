"""A disk that is really full: nothing is sent whose intent cannot be written, and nothing that was is sent again."""

from __future__ import annotations

import pytest
from small_disk import fill, on_small_disk
from submitting import check_results, submission, twin, works

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.ledger import Ledger


@pytest.fixture
def disk(tmp_path):
    with on_small_disk(tmp_path / "disk", 1) as reason:
        if reason:
            pytest.skip(f"no full disk: {reason}")
        yield tmp_path / "disk"


def test_nothing_leaves_while_its_intent_cannot_be_written(tmp_path, disk):
    service, todo = twin(tmp_path), works(2)
    Ledger(disk / "ledger.sqlite").close()
    fill(disk / "filler")
    with pytest.raises(CayleyError, match="cannot write to the ledger"):
        submission(disk, service).submit(todo)
    assert service.paid() == []
    (disk / "filler").unlink()
    submission(disk, service).submit(todo)
    check_results(service, submission(disk, service).collect(todo, wait=True), todo)
    assert len(service.paid()) == 2


def test_what_was_sent_is_found_again_when_its_id_could_not_be_written(tmp_path, disk, monkeypatch):
    service, todo = twin(tmp_path), works(1)
    handle = service._server.handle

    def filling(method, target, body):
        reply = handle(method, target, body)
        if (method, target) == ("POST", "/jobs"):
            fill(disk / "filler")
        return reply

    monkeypatch.setattr(service._server, "handle", filling)
    with pytest.raises(CayleyError, match="cannot write to the ledger"):
        submission(disk, service).submit(todo)
    monkeypatch.undo()
    (disk / "filler").unlink()
    (row,) = Ledger(disk / "ledger.sqlite").rows()
    assert row["state"] == "unknown"
    submission(disk, service).submit(todo)
    check_results(service, submission(disk, service).collect(todo, wait=True), todo)
    assert len(service.paid()) == 1
