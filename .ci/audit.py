"""What is known of the packages that results were made with, and what could not be checked.

    python .ci/audit.py [PIP_AUDIT]

Checked without a network: that every installed package is the one that requirements.txt pins and no other is there (but
what torch's build for CUDA brings along, and its build for CPUs does not), that their requirements fit, and their
licences. With the path of pip-audit: known vulnerabilities. Whether a pinned version was yanked, pip says when it
installs it. Fails for what is wrong; what was not checked is named.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = {"cayley-adapters", "pip", "setuptools", "wheel"}
"""Installed beside the pins: the project, and what installs it."""

UNWANTED = re.compile(r"\bAGPL|\bSSPL|(?<!L)GPL|Affero|(?<!Lesser )General Public|proprietary|commercial", re.I)
"""Licences that someone who shares a program with these packages in it would have to know of."""


def normal(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Name → version of the lines of a requirements file."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def deviations(pinned: dict[str, str], installed: dict[str, str]) -> list[str]:
    """Where what is installed is not what is pinned; a build's local tag, such as ``+cpu``, does not count."""
    found = [f"{name} {installed[name]} is installed and not pinned" for name in sorted(installed.keys() - pinned)]
    for name, version in sorted(pinned.items()):
        there = installed.get(name, "none").split("+")[0]
        if there != version:
            found.append(f"{name}: {version} is pinned, {there} installed")
    return found


def build_of(root: str, requirements: Mapping[str, Iterable[str]], pinned: Container[str]) -> set[str]:
    """Packages that are installed and not pinned since one build of a pinned package asks for them, and others do not.

    Args:
        root: the pinned package, such as torch, whose build for CUDA brings NVIDIA's libraries.
        requirements: of every installed package, as its metadata has them.
        pinned: names.
    """
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for text in requirements.get(waiting.pop(), ()):
            name = normal(re.match(r"[\w.-]+", text)[0])
            if name in requirements and name not in pinned and name not in found:
                found.add(name)
                waiting.append(name)
    return found


def license_of(package: Distribution) -> str:
    """A package's licence: its SPDX expression, else its classifiers, else the first line of its licence field."""
    about = package.metadata
    classified = [line.split(" :: ")[-1] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    stated = (about.get("License") or "").strip().splitlines()
    return about.get("License-Expression") or " / ".join(classified) or (stated[0][:60] if stated else "not stated")


def vulnerabilities(report: dict) -> tuple[list[str], int, list[str]]:
    """Read pip-audit's JSON.

    Returns:
        Its findings, of how many packages the service knows, and the packages that were skipped.
    """
    entries = report["dependencies"]
    skipped = [entry["name"] for entry in entries if "skip_reason" in entry]
    found = [
        f"{entry['name']} {entry['version']}: {item['id']}, mended in {', '.join(item['fix_versions']) or 'none yet'}"
        for entry in entries
        for item in entry.get("vulns", ())
    ]
    return found, len(entries) - len(skipped), skipped


def run_pip_audit(program: str) -> dict | None:
    """What pip-audit says of the pins; None if it is not there or failed."""
    command = [
        program,
        "--requirement",
        str(ROOT / "requirements.txt"),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
    ]
    try:
        done = subprocess.run([*command, "--progress-spinner", "off"], capture_output=True, text=True, timeout=600)
        return json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def main() -> int:
    """Print what was found; 1 if something is wrong."""
    pinned = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    there = {normal(item.metadata["Name"]): item for item in distributions()}
    build = build_of("torch", {name: item.requires or () for name, item in there.items()}, pinned)
    unpinned = (OWN - pinned.keys()) | build
    wrong = deviations(pinned, {name: item.version for name, item in there.items() if name not in unpinned})
    print(
        f"pins: {len(pinned)}, installed: {len(there.keys() - unpinned)}, and {len(build)} that torch's build asks for"
    )
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    print(f"pip check: {checked.stdout.strip() or checked.stderr.strip()}")
    wrong += checked.stdout.strip().splitlines() if checked.returncode else []

    licenses = defaultdict(list)
    for name, item in sorted(there.items()):
        licenses[license_of(item)].append(name)
    print("\nlicences:")
    for text, names in sorted(licenses.items(), key=lambda entry: -len(entry[1])):
        mark = "  <- look at this one" if UNWANTED.search(text) else ""
        print(f"  {len(names):4d}  {text}: {', '.join(names[:4])}{', …' if len(names) > 4 else ''}{mark}")

    unchecked = ["whether a pinned version was yanked: pip warns of it when it installs"]
    report = run_pip_audit(sys.argv[1]) if len(sys.argv) > 1 else None
    if report is None:
        unchecked.append("known vulnerabilities: pip-audit is not there or could not run")
    else:
        found, known, skipped = vulnerabilities(report)
        print(f"\nknown vulnerabilities: {len(found)} in {known} packages that the service knows")
        wrong += found
        if skipped:
            unchecked.append(
                f"known vulnerabilities of {len(skipped)} packages, such as {skipped[0]}: the service could not be "
                "reached or does not know them (pip-audit alone says `No known vulnerabilities found` and exits with 0)"
            )
    print("\nNOT CHECKED:")
    print("\n".join(f"  {line}" for line in unchecked))
    print("\nWRONG:" if wrong else "\nnothing wrong was found")
    print("\n".join(f"  {line}" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
