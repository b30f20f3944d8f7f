"""The written reference is the one the schema gives."""

from __future__ import annotations

from pathlib import Path

from cayley_adapters.settings import fields, reference


def test_the_reference_in_the_docs_is_current():
    assert (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8") == reference()


def test_every_key_is_explained():
    assert all(field.description for field in fields().values())
