"""Messages hold no secrets and nothing that a terminal obeys, and the search for secrets finds what is hidden."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import subprocess
import sys
import zipfile

import pytest
from planted_secrets import MARKERS, SAVED, leaks, traces
from safety import SAFETY

from cayley_adapters.core.messages import printable, say, without_secrets


def test_the_search_finds_them_in_every_encoding(tmp_path):
    secret = MARKERS["WANDB_API_KEY"]
    for skipped in range(4):
        (tmp_path / f"base64-{skipped}").write_bytes(base64.b64encode(b"x" * skipped + secret.encode() + b"yyyy"))
    (tmp_path / "plain.log").write_text(f"key {secret}")
    (tmp_path / "hex").write_text(SAVED["qiskit"].encode().hex())
    (tmp_path / "packed.gz").write_bytes(gzip.compress(secret.encode()))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", secret * 9)
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (?)", ["a" * 10_000 + secret])
    (tmp_path / f"{secret}.txt").write_text("named")
    (tmp_path / "nothing").write_text("nothing")
    assert set(leaks(tmp_path)) == {path.name for path in tmp_path.iterdir()} - {"nothing"}
    assert traces("nothing") == set()


@pytest.mark.parametrize("name", MARKERS)
def test_secrets_of_the_environment_are_masked(monkeypatch, capsys, name):
    monkeypatch.setenv(name, MARKERS[name])
    say(f"failed with {MARKERS[name]}: {MARKERS[name]}")
    said = capsys.readouterr().err
    assert said.startswith("failed with ***: ***")
    assert traces(said) == set()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("nothing to hide", "nothing to hide"),
        ("https://me:pw@host/simple", "https://***@host/simple"),
        ("https://ghp_abc@host/simple", "https://***@host/simple"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("{'Authorization': 'apikey abc'}", "{'Authorization': 'apikey ***'}"),
        ("proxy http://u:p%40w@[::1]:80 refused", "proxy http://***@[::1]:80 refused"),
        ("mail me@host", "mail me@host"),
        ("https://host/@scope/package", "https://host/@scope/package"),
    ],
)
def test_addresses_and_headers_lose_their_credentials(text, masked):
    assert without_secrets(text) == masked


def test_short_values_are_no_secrets(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "1")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    assert without_secrets("1 of 10") == "1 of 10"


def test_what_a_terminal_obeys_is_written_out(capsys):
    assert printable("naïve ✓\n\tλ = 0.3") == "naïve ✓\n\tλ = 0.3"
    assert printable("\x1b[2J\x07\r\x9b31m\x00") == r"\x1b[2J\x07\r\x9b31m\x00"
    assert printable("\u202egnp.exe") == r"\u202egnp.exe"
    say("\x1b]0;owned\x07")
    assert "\x1b" not in capsys.readouterr().err


def test_a_mistake_with_control_characters_prints_none():
    command = [sys.executable, "-m", "cayley_adapters.cli", "config", "run=\x1b[2J\x1b]0;owned\x07"]
    command[1:3] = ["-c", "from cayley_adapters.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert r"\x1b[2J" in done.stderr
