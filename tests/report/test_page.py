"""The page as a file: nothing gets out of its place, nothing is fetched, the same bytes every time."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import numpy as np
import pandas as pd
import pytest
from synthetic import HOSTILE, PNG, Parsed, evidence_of

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.report.page import render_report
from cayley_adapters.report.page.methods import REFERENCES
from cayley_adapters.report.page.tables import SHOWN_ROWS, averages


def test_names_and_texts_cannot_break_out():
    samples = pd.DataFrame({"question": [HOSTILE, "plain"], "answer": ["1", HOSTILE]})
    evidence = evidence_of(
        files={"question_samples.csv": samples.to_csv(index=False).encode()}, model=HOSTILE, targets=HOSTILE
    )
    page = render_report(evidence, "2025-02-26")
    parsed = Parsed(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert len(parsed.scripts) == 3
    assert not any("alert(1)" in text for kind, text in parsed.scripts if "type" not in kind)
    assert not any(name.startswith("on") for _, attributes in parsed.elements for name in attributes)
    assert all(attributes["src"].startswith("data:") for tag, attributes in parsed.elements if tag == "img")
    assert HOSTILE in "".join(parsed.text)


def test_the_page_refers_to_nothing_but_the_literature(page):
    parsed = Parsed(page)
    cited = {address for _, address in REFERENCES.values()}
    anchors = {attributes["id"] for _, attributes in parsed.elements if "id" in attributes}
    for tag, attributes in parsed.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert attributes.get("src", "data:").startswith("data:")
        href = attributes.get("href", "#headline")
        assert href.startswith("data:") or href.removeprefix("#") in anchors or href in cited, href
    assert "url(" not in page.split("</style>")[0]
    assert "@import" not in page.split("</style>")[0]


def test_only_the_pages_own_scripts_may_run(page):
    parsed = Parsed(page)
    [policy] = [
        attributes["content"]
        for tag, attributes in parsed.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    allowed = re.search(r"script-src ([^;]*)", policy)[1].split()
    # The bundle is read from the text, since a parser may take "<" in a script for an element.
    texts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert allowed == [f"'sha256-{base64.b64encode(hashlib.sha256(t.encode()).digest()).decode()}'" for t in texts]
    assert len(texts) == 2
    assert json.loads(next(text for kind, text in parsed.scripts if kind.get("type") == "application/json"))["vconcat"]


def test_same_inputs_same_bytes_and_a_modest_size(made, page):
    assert render_report(made, "2025-02-26") == page
    assert 0.8e6 < len(page.encode()) < 1.5e6


def test_downloads_are_the_files(made, page):
    links = {a["download"]: a["href"] for tag, a in Parsed(page).elements if tag == "a" and "download" in a}
    assert set(links) == {
        "phase_diagram.csv", "recovery.csv", "recovery_differences.csv", "baselines.csv", "config.yaml",
    }  # fmt: skip
    for name, link in links.items():
        content = base64.b64decode(link.split("base64,")[1])
        assert content == (made.settings.to_yaml().encode() if name == "config.yaml" else made.files[name])


def test_sections_without_files_are_left_out_and_appear_with_them(page):
    assert 'id="questions"' not in page
    assert 'href="#questions"' not in page
    table = pd.DataFrame({"compression_ratio": 0.2, "block_dim": np.repeat([2, 4], 150), "entropy": np.arange(300.0)})
    more = {
        "questions.png": PNG,
        "entanglement.csv": table.to_csv(index=False).encode(),
        "transition.csv": b"a,b\n1,2\n",
    }
    longer = render_report(evidence_of(files=more), "2025-02-26")
    for anchor in ("questions", "entanglement", "transition"):
        assert f'<section id="{anchor}">' in longer
        assert f'href="#{anchor}"' in longer
    part = longer.split('<section id="entanglement">')[1].split("</section>")[0]
    assert "<summary>Operator Schmidt decomposition: 300 rows</summary>" in part
    assert f"the first {SHOWN_ROWS} of 300 rows" in part
    assert part.count("<tr>") == 2 + 2 + SHOWN_ROWS  # two headings and two means
    assert averages(table, ("compression_ratio", "block_dim")).entropy.tolist() == [74.5, 224.5]


def test_a_damaged_table_is_named_with_the_way_out():
    for content in (b"", b"a,b\n1\n", b"a,a\n1,2\n", b"\xff\n", b"a,b\n1,2"):
        with pytest.raises(CayleyError, match=r"cannot read recovery\.csv: .*; delete it and run the same command"):
            evidence_of(files={"recovery.csv": content})
