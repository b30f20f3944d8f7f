"""PEFT's own tests, with Cayley adapters as the method beside LoRA and OFT.

    python tests/upstream/run.py [--method cayley] [--jobs 2] [-- -k merge -x]

The tests come in the source distribution of the PEFT that requirements.txt pins, which pip downloads once into the
cache; they run in a temporary folder, offline. Their models on the hub are replaced by tiny random ones of the same
architectures, made here, in a hub cache of that folder (``tiny_models.py``). Files whose tests take the method as a
parameter are run with all three; those written for LoRA alone are run as they are, and again with ``CayleyConfig`` in
the place of ``LoraConfig`` (``plugin.py``). ``expected.yaml`` lists what must fail, each with its reason: the exit
status is 1 if anything else fails, or if one of these passes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent

PARAMETRISED = ("test_custom_models", "test_decoder_models", "test_seq_classifier", "test_token_classification_qa")
WRITTEN_FOR_LORA = (
    "test_low_level_api.py",
    "test_hub_features.py",
    "test_custom_models.py::TestMixedAdapterBatches",
    *(
        f"test_initialization.py::{name}"
        for name in (
            "TestNoInfiniteRecursionDeepspeed",
            "TestCustomModelConfigWarning",
            "TestLowCpuMemUsage",
            "TestNamingConflictWarning",
        )
    ),
)
METHODS = ("cayley", "lora", "oft")


def sources(cache: Path) -> Path:
    """The source distribution of the pinned PEFT."""
    [version] = re.findall(r"^peft==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    archive = cache / f"peft-{version}.tar.gz"
    if not archive.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        wanted = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", f"peft=={version}", "--dest", str(cache)]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *wanted]
        if subprocess.run(pip, check=False).returncode:
            raise SystemExit(f"pip found no source distribution of peft {version}; put {archive.name} into {cache}")
    return archive


def unpacked(archive: Path, folder: Path) -> Path:
    """The tests as a package, which their relative imports need."""
    with tarfile.open(archive) as file:
        wanted = [member for member in file.getmembers() if "/tests/" in member.name and member.isfile()]
        file.extractall(folder, wanted, filter="data")
    [tests] = folder.glob("peft-*/tests")
    (tests / "__init__.py").touch()
    (tests.parent / "pytest.ini").write_text("[pytest]\n")  # PEFT's own settings ask for coverage
    return tests.parent


def run(folder: Path, files: list[str], method: str | None, jobs: int, more: list[str]) -> int:
    """Run pytest on some of PEFT's files; ``method`` takes the place of LoRA."""
    here = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))}
    hub = {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    threads = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": ""}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "plugin",
        "-q",
        "-rN",
        "--no-header",
        "-n",
        str(jobs),
        "--maxprocesses",
        str(jobs),
    ]
    command += ["-W", "ignore", "--tb=short", *([] if method is None else ["--in-place-of-lora", method])]
    command += [*(f"tests/{name}" for name in files), *more]
    return subprocess.run(command, cwd=folder, env=os.environ | here | hub | threads, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=METHODS, help="only this one")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("more", nargs="*", help="options of pytest, after --")
    options = parser.parse_args()
    from tiny_models import make_models

    from cayley_adapters.core.files import cache_directory

    with tempfile.TemporaryDirectory() as temporary:
        folder = unpacked(sources(cache_directory() / "peft"), Path(temporary))
        make_models(folder / "hub" / "hub")
        chosen = [*options.more, *(["--method", options.method] if options.method else [])]
        codes = [run(folder, [f"{name}.py" for name in PARAMETRISED], None, options.jobs, chosen)]
        for method in ("cayley", "lora"):
            if options.method in (None, method):
                codes.append(run(folder, list(WRITTEN_FOR_LORA), method, options.jobs, options.more))
    return max(codes)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
