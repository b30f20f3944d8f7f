"""Compiled kernels do what their source says when Python runs it, which checks each index, as numba does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from kernel_results import results


def test_plain_python_agrees(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("kernel_results.py")), str(tmp_path / "plain.npz")]
    subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, check=True)
    plain = np.load(tmp_path / "plain.npz")  # noqa: TID251 - made by this test, and no pickle
    compiled = dict(results())
    assert set(plain) == set(compiled)
    for name, values in compiled.items():
        # Circuits of float32 slices go through float32 arithmetic; counts are whole numbers of the same draws.
        tolerance = 1e-6 if values.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(values, plain[name], rtol=0, atol=tolerance, err_msg=name)
