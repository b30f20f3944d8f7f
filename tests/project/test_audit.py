"""What the dependency audit reads from pins, installed packages and pip-audit's answer."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

AUDIT = runpy.run_path(str(Path(__file__).parents[2] / ".ci" / "audit.py"))


def test_pins_and_what_is_installed_are_compared():
    pinned = AUDIT["pins"]("# a comment\nTorch==2.13.0\nruamel.yaml==0.18\nx==1\n")
    assert pinned == {"torch": "2.13.0", "ruamel-yaml": "0.18", "x": "1"}
    installed = {"torch": "2.13.0+cpu", "ruamel-yaml": "0.19", "stray": "3"}
    assert AUDIT["deviations"](pinned, installed) == [
        "stray 3 is installed and not pinned",
        "ruamel-yaml: 0.18 is pinned, 0.19 installed",
        "x: 1 is pinned, none installed",
    ]


def test_what_a_build_of_torch_brings_is_no_stray_package():
    requirements = {
        "torch": ['cuda-toolkit[cudart]==13; platform_system == "Linux"', "Numpy", "triton==3.7; extra == 'x'"],
        "cuda-toolkit": ["nvidia_cublas==13.*"],
        "nvidia-cublas": [],
        "numpy": ["stray"],
        "stray": [],
    }
    pinned = {"torch", "numpy"}
    assert AUDIT["build_of"]("torch", requirements, pinned) == {"cuda-toolkit", "nvidia-cublas"}


def test_packages_that_were_not_audited_are_not_called_safe():
    skipped = {"name": "a", "skip_reason": "Dependency not found on PyPI and could not be audited: a (1)"}
    bad = {"name": "b", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"], "aliases": []}]}
    report = {"dependencies": [skipped, bad, {"name": "c", "version": "1", "vulns": []}], "fixes": []}
    assert AUDIT["vulnerabilities"](report) == (["b 1: PYSEC-1, mended in 2"], 2, ["a"])


def test_an_audit_that_cannot_run_is_no_clean_one(tmp_path):
    assert AUDIT["run_pip_audit"](str(tmp_path / "pip-audit")) is None
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no JSON\n")
    broken.chmod(0o755)
    assert AUDIT["run_pip_audit"](str(broken)) is None


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("LGPL-2.1-or-later", False),
        ("MIT", False),
    ],
)
def test_licences_with_conditions_are_marked(text, marked):
    assert bool(AUDIT["UNWANTED"].search(text)) == marked
