"""The report of the default configuration."""

from __future__ import annotations

import pytest
from synthetic import evidence_of

from cayley_adapters.report.page import Evidence, render_report


@pytest.fixture(scope="module")
def made() -> Evidence:
    return evidence_of()


@pytest.fixture(scope="module")
def page(made) -> str:
    return render_report(made, "2025-02-26")
