"""The recipes of ``docs/extending.md``, applied to a copy of the project as a reader would.

A block of code under ``title="path"`` is a whole new file; one of kind ``diff`` is an edit: lines that are there, in
this order and once, with those that begin with ``+`` put between them and those that begin with ``-`` taken out.
"""

from __future__ import annotations

import re
from pathlib import Path

from project_copy import ROOT, Project

PAGE = ROOT / "docs" / "extending.md"
_BLOCK = re.compile(r'^```(\w+) title="([^"]+)"\n(.*?)^```$', re.S | re.M)


def headings() -> list[str]:
    """The sections of the page that have code."""
    return [heading for heading, text in _sections().items() if _BLOCK.search(text)]


def _sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def follow(project: Project, heading: str) -> list[str]:
    """Make the files and edits of one section of the page, and name them."""
    touched = []
    for kind, name, code in _BLOCK.findall(_sections()[heading]):
        path = project.folder / name
        if kind == "diff":
            edit(path, code)
        else:
            assert not path.exists(), f"{name} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code, encoding="utf-8")
        touched.append(name)
    return touched


def edit(path: Path, diff: str) -> None:
    """Apply one hunk."""
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] in " -")
    new = "".join(line[1:] for line in lines if line[0] in " +")
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"the lines are {text.count(old)} times in {path}:\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")
