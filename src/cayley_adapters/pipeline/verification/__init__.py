"""Whether a results folder holds what its configuration gives: its files are checked, and cells are computed again.

What computes again are the stages themselves, in a folder of their own; nothing in the results is touched.
"""

from __future__ import annotations

from cayley_adapters.pipeline.verification.cells import TOLERANCE
from cayley_adapters.pipeline.verification.verify import Verdict, verify

__all__ = ["TOLERANCE", "Verdict", "verify"]
