"""The README's first example of the library runs as it stands, on the real model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file
from safety import SAFETY

README = Path(__file__).parents[2] / "README.md"


def test_the_example_trains_saves_reloads_and_generates(tmp_path):
    example = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)[0]
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=SAFETY)
    assert done.returncode == 0, done.stderr
    trained = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(trained) == 60
    assert all(theta.abs().max() > 1e-3 for theta in trained.values())
    assert done.stdout.startswith("Gene flow is ")


def test_every_example_names_its_run():
    """Else it would stop before the results of another one."""
    pages = [README, *sorted((README.parent / "docs").glob("*.md")), README.parent / "Snakefile"]
    found = [
        (page.name, given)
        for page in pages
        for given in re.findall(r'overrides="([^"]*)"', page.read_text(encoding="utf-8"))
        if given != "…"
    ]
    assert len(found) > 20
    assert [item for item in found if "run=" not in item[1] and item[1] != "track.mode=online"] == []
