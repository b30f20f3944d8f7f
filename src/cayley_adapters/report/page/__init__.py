"""The report of a run: one page with its numbers, pictures, methods and environment, which opens without a network.

What it shows is one object each, see :mod:`cayley_adapters.report.contents`; captions and paragraphs are computed from
the configuration and the tables.
"""

from __future__ import annotations

from cayley_adapters.report.evidence import Evidence
from cayley_adapters.report.page.page import render_report
from cayley_adapters.report.page.provenance import calibration_date

__all__ = ["Evidence", "calibration_date", "render_report"]
