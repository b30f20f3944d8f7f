"""A user's secrets, in the environment and in saved accounts, and a search for them in everything that was written."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import re
import sqlite3
import zipfile
import zlib
from pathlib import Path

MARKERS = {
    "HF_TOKEN": "hf_QmarkerHuggingFaceEnvironment0000",
    "WANDB_API_KEY": "QmarkerWandbEnvironment".ljust(40, "0"),
    "QISKIT_IBM_TOKEN": "QmarkerQiskitEnvironment".ljust(44, "0"),
    "QISKIT_IBM_INSTANCE": "crn:v1:bluemix:public:quantum-computing:us-east:a/QmarkerInstanceEnvironment:0::",
    "AWS_ACCESS_KEY_ID": "AKIAQMARKERENVIRONMENT",
    "AWS_SECRET_ACCESS_KEY": "QmarkerAwsEnvironment/0000000000000000000",
    "OTHER_SERVICE_PASSWORD": "QmarkerPasswordEnvironment",
}
SAVED = {
    "qiskit": "QmarkerQiskitSaved".ljust(44, "0"),
    "instance": "crn:v1:bluemix:public:quantum-computing:us-east:a/QmarkerInstanceSaved:0::",
    "netrc": "QmarkerWandbSaved".ljust(40, "0"),
    "hugging face": "hf_QmarkerHuggingFaceSaved00000000",
    "aws": "QmarkerAwsSaved/000000000000000000000000",
}


def planted(home: Path) -> dict[str, str]:
    """Save accounts in a home folder, and return the environment of its user; caches stay where they are."""
    from cayley_adapters.core.files import cache_directory

    account = {"channel": "ibm_quantum_platform", "token": SAVED["qiskit"], "instance": SAVED["instance"]}
    files = {
        ".qiskit/qiskit-ibm.json": json.dumps({"default-ibm-quantum-platform": account}),
        ".netrc": f"machine api.wandb.ai\n  login user\n  password {SAVED['netrc']}\n",
        "huggingface/token": SAVED["hugging face"],
        ".aws/credentials": f"[default]\naws_access_key_id = x\naws_secret_access_key = {SAVED['aws']}\n",
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    places = {"HOME": str(home), "HF_HOME": str(home / "huggingface"), "XDG_CACHE_HOME": caches}
    return places | {"CAYLEY_CACHE": str(cache_directory())} | MARKERS


def _forms(secret: str) -> list[bytes]:
    """A secret as it stands in a file, and in the middle of base64 at each of its three alignments."""
    core = re.search(r"(?i)qmarker\w+", secret)[0].encode()
    encoded = [base64.b64encode(bytes(skipped) + core)[-(-skipped * 4 // 3) : -4] for skipped in range(3)]
    return [core, core[::-1], core.hex().encode(), *encoded]


FORMS = {name: _forms(secret) for name, secret in (MARKERS | SAVED).items()}


def traces(content: bytes | str) -> set[str]:
    """Names of the secrets that a content holds, in any form."""
    content = content.encode() if isinstance(content, str) else content
    return {name for name, forms in FORMS.items() if any(form in content for form in forms)}


def _layers(path: Path) -> list[bytes]:
    """A file's bytes, and what is packed in it."""
    content = path.read_bytes()
    found = [path.name.encode(), content]
    if content[:2] == b"\x1f\x8b":
        found.append(gzip.decompress(content))
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    if content[:15] == b"SQLite format 3":
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in tables for row in database.execute(f'SELECT * FROM "{name}"')]
        database.close()
        found.append(repr(rows).encode())
        found += [_inflated(cell) for row in rows for cell in row if isinstance(cell, bytes)]
    return found


def _inflated(content: bytes) -> bytes:
    try:
        return zlib.decompress(content)
    except zlib.error:
        return content


def leaks(folder: Path) -> dict[str, set[str]]:
    """File → names of the secrets in it, of all files below a folder."""
    found = {
        str(path.relative_to(folder)): set().union(*map(traces, _layers(path)))
        for path in folder.rglob("*")
        if path.is_file()
    }
    return {name: names for name, names in found.items() if names}
