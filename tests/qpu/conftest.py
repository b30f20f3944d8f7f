"""Fixtures: the twin of the service, and processes that start anew on its folder."""

from __future__ import annotations

import pytest
from qiskit_ibm_runtime.api import session
from submitting import submission, twin


@pytest.fixture(autouse=True)
def _no_callers(monkeypatch):
    """The client looks up all callers at each request, for a header; pytest's are many, and took most of the time."""
    monkeypatch.setattr(session.inspect, "stack", list)


@pytest.fixture
def service(tmp_path):
    return twin(tmp_path)


@pytest.fixture
def start(tmp_path, service):
    """Start another process: nothing but the ledger and the service is left of the one before."""
    return lambda **options: submission(tmp_path, service, **options)
