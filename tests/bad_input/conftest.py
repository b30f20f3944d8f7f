"""The command run in this process, in a folder of which nothing may change."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from material import write_material

from cayley_adapters import cli


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the files that wrong inputs name."""
    folder = tmp_path_factory.mktemp("material")
    write_material(folder)
    return folder


def listing(folder: Path) -> dict[str, tuple[int, ...]]:
    """Every path below a folder with its kind, size, and times of its content and its entry; locks are no content."""
    return {
        str(path): (entry.st_mode, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns)
        for path in [folder, *folder.rglob("*")]
        if path.suffix != ".lock" and path.name != ".lock"
        for entry in [path.lstat()]
    }


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``cayley`` in a folder, check that it says no, in one message, and changes nothing; return the message."""

    def run(folder: Path, *arguments: str) -> str:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["cayley", *arguments])
        # The number of threads is for a process's whole life, and the other tests live in this one.
        monkeypatch.setattr("cayley_adapters.pipeline.run.limit_threads", lambda count: None)
        before = listing(folder)
        with mock.patch.dict(os.environ), pytest.raises(SystemExit) as left:
            cli.main()
        written = capsys.readouterr()
        assert listing(folder) == before
        assert left.value.code == 1, written.err
        # Stages tell what they begin with before the mistake is found in a file that only they read.
        _, start, text = f"\n{written.err}".partition("\nerror: ")
        assert start, written.err
        assert "Traceback" not in written.err + written.out
        assert "defect" not in text
        assert "\nerror:" not in text
        return text

    return run
