"""The site: it builds without network, with all its links, and shows every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cayley_adapters

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """Path within the site → HTML. A proxy that is none answers whatever would be fetched."""
    site = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def test_every_page_of_the_documentation_is_there(pages):
    docs = ROOT / "docs"
    written = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")}
    assert written == {Path(name).with_suffix("").as_posix() for name in pages} - {"404"}
    assert not [name for name in written - {"index"} if f'href="{name}.html"' not in pages["index.html"]]


@pytest.mark.parametrize("name", cayley_adapters.__all__)
def test_every_public_name_is_shown_with_its_example(pages, name):
    home = f"cayley_adapters.{cayley_adapters._HOMES[name]}.{name}"
    shown = pages["reference.html"].split(f'id="{home}"')
    assert len(shown) == 2
    assert "&gt;&gt;&gt;" in shown[1].split('id="cayley_adapters.')[0]


def test_no_page_loads_anything_from_elsewhere(pages):
    for name, page in pages.items():
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"(?:https?:)?//", page), name
        assert not re.findall(r"<link[^>]+rel=\"(?:stylesheet|preconnect|icon)\"[^>]+href=\"(?:https?:)?//", page), name


def test_the_changelog_is_the_one_of_the_repository(pages):
    assert "All notable changes are listed here" in pages["changelog.html"]
