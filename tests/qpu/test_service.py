"""Only one place chooses the service; what goes wrong there is told without secrets."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest
from ibm_cloud_sdk_core import ApiException
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.accounts import InvalidAccountError
from qiskit_ibm_runtime.accounts import management as accounts
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMNotAuthorizedError
from twin_jobs import send

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.qpu.twin import TwinService

TOKEN = "planted-token-0123456789abcdef-0123456789"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123:4567::"


@pytest.fixture(autouse=True)
def empty_home(tmp_path, monkeypatch) -> Path:
    """No account of whoever runs the tests is read."""
    path = tmp_path / "home" / "qiskit-ibm.json"
    monkeypatch.setattr(accounts, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(path))
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_INSTANCE", "QISKIT_IBM_CHANNEL", "QISKIT_IBM_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there: no test reaches the network
    return path


def test_twin_by_either_name_of_its_device(tmp_path):
    service = connect("twin", "FakeFez", tmp_path, queue_seconds=60.0)
    assert type(service) is TwinService
    assert processor(service, "FakeFez").name == processor(service, "fake_fez").name == "fake_fez"
    assert send(processor(service, "FakeFez")).status() == "QUEUED"
    with pytest.raises(CayleyError, match=r"no backend 'ibm_fez'; did you mean 'fake_fez'.*it has fake_fez"):
        processor(service, "ibm_fez")
    with pytest.raises(CayleyError, match="backend 'FakeFess' is unknown"):
        connect("twin", "FakeFess", tmp_path)
    with pytest.raises(CayleyError, match="'imb' is unknown; did you mean 'ibm'"):
        connect("imb", "FakeFez", tmp_path)


def test_no_account(tmp_path):
    with pytest.raises(CayleyError, match=r"no account.*save_account.*QISKIT_IBM_TOKEN.*qpu=twin"):
        connect("ibm", "ibm_fez", tmp_path)


@pytest.mark.parametrize("place", ["environment", "saved", "saved without an instance"])
def test_no_network_and_no_token_in_message_or_log(tmp_path, monkeypatch, caplog, capfd, recwarn, empty_home, place):
    if place == "environment":
        monkeypatch.setenv("QISKIT_IBM_TOKEN", TOKEN)
        monkeypatch.setenv("QISKIT_IBM_INSTANCE", CRN)
    else:
        empty_home.parent.mkdir()
        account = {"channel": "ibm_quantum_platform", "token": TOKEN}
        if place == "saved":
            account["instance"] = CRN
        empty_home.write_text(json.dumps({"default-ibm-quantum-platform": account}))
    with caplog.at_level(logging.DEBUG), pytest.raises(CayleyError, match="cannot be reached") as caught:
        connect("ibm", "ibm_fez", tmp_path)
    told = "".join(traceback.format_exception(caught.value)) + caplog.text + "".join(capfd.readouterr())
    told += "".join(str(warning.message) for warning in recwarn)
    assert TOKEN not in told
    assert "IBM Quantum cannot be reached" in told


def refused() -> Exception:
    error = InvalidAccountError("Unable to retrieve instances.")
    error.__cause__ = ApiException(400, message=f"Provided API key {TOKEN} could not be found")
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refused(), "refuses the account's token"),
        (IBMNotAuthorizedError(f"401 {TOKEN}"), "refuses the account's token"),
        (InvalidAccountError(f"Invalid `token` value. Expected a non-empty string, got '{TOKEN}'."), "is not valid"),
        (IBMInputValueError(f"The instance specified ({TOKEN}) is not a valid instance name."), "no such instance"),
        (KeyError(TOKEN), r"cannot be used \(KeyError\).*says why"),
    ],
)
def test_errors_of_the_account_are_told_in_our_own_words(tmp_path, monkeypatch, error, message):
    def fail(self):
        raise error

    monkeypatch.setattr(QiskitRuntimeService, "__init__", fail)
    with pytest.raises(CayleyError, match=message) as caught:
        connect("ibm", "ibm_fez", tmp_path)
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_real_service_is_asked_for_its_backend(tmp_path, monkeypatch):
    twin = TwinService(tmp_path)
    monkeypatch.setattr("qiskit_ibm_runtime.QiskitRuntimeService", lambda: twin)
    assert connect("ibm", "fake_fez", tmp_path) is twin
    with pytest.raises(CayleyError, match="no backend 'ibm_fez'"):
        connect("ibm", "ibm_fez", tmp_path)
    twin.fault("backend_configuration", "unreachable", times=2)
    with pytest.raises(CayleyError, match="'fake_fez' cannot be found: the service names no backend"):
        processor(TwinService(tmp_path), "fake_fez")
    assert processor(TwinService(tmp_path), "fake_fez").num_qubits == 156
