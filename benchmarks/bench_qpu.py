"""Lines of qubits that run at once on each Heron snapshot, and whole packed circuits through the offline twin.

    python benchmarks/bench_qpu.py

For each device and number of qubits: disjoint lines among the better half, dense and sparse (no two adjacent), with
their mean CZ error, and all pairs beside the plain matching. Then random blocks on all lines of FakeFez, sent, charged
and counted by the twin: the time it takes, and the chi-square of all counts against the batched simulator.
"""

from __future__ import annotations

import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import special_ortho_group

from cayley_adapters.circuits.noise.backends import calibration_of, snapshot
from cayley_adapters.circuits.noise.calibration import Calibration
from cayley_adapters.circuits.noise.device import DeviceNoise
from cayley_adapters.circuits.synthesis import synthesise
from cayley_adapters.qpu.agreement import chi_square
from cayley_adapters.qpu.desk import Desk
from cayley_adapters.qpu.execution import predicted
from cayley_adapters.qpu.lines import disjoint_lines, plain_pairs
from cayley_adapters.qpu.sampling import Sampling
from cayley_adapters.qpu.service import connect, processor
from cayley_adapters.qpu.workload import per_token_workload

DEVICES = ("Fez", "Marrakesh", "Kingston", "Torino", "Aachen", "Boston", "Pittsburgh")
TOKENS = {1: 20, 2: 80, 3: 20}


def error(calibration: Calibration, lines: tuple[tuple[int, ...], ...]) -> str:
    """Mean CZ error of lines, in thousandths."""
    errors = [coupler.cz_error for line in lines for coupler in calibration.line(line).couplers]
    return f" ({1e3 * np.mean(errors):.2f})" if errors else ""


def layouts() -> None:
    """Print the lines of each device."""
    print(
        "device (median CZ error, 1e-3) | n = 1 | 2 | 3 | 4: dense / sparse, better half | all pairs | plain matching"
    )
    for name in DEVICES:
        calibration = calibration_of(snapshot(f"Fake{name}"))
        median = np.median([coupler.cz_error for (a, b), coupler in calibration.couplers.items() if a < b])
        cells = []
        for n, quality in ((1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5), (2, 1.0)):
            both = [disjoint_lines(calibration, n, quality, sparse) for sparse in (False, True)]
            cells.append(" / ".join(f"{len(lines)}{error(calibration, lines)}" for lines in both))
        plain = plain_pairs(calibration)
        cells.append(f"{len(plain)}{error(calibration, plain)}")
        print(f"{name} ({1e3 * median:.2f}) | {' | '.join(cells)}")


def packed(n: int, **options: object) -> None:
    """Run random blocks on all lines of FakeFez through the twin."""
    noise = DeviceNoise.from_backend("FakeFez")
    lines = disjoint_lines(noise.calibration, n, 0.9)
    rotations = special_ortho_group.rvs(2**n, size=144, random_state=0)
    slices = np.random.default_rng(0).normal(size=(TOKENS[n], 144, 2**n))
    workload = per_token_workload("random", synthesise(rotations), slices, lines, "fake_fez")
    sampling = Sampling(8192, executions_per_job=2_500_000, **options)
    with tempfile.TemporaryDirectory() as folder:
        service = connect("twin", "FakeFez", Path(folder, "twin"))
        limits = {"max_seconds": 1e6, "unknown_seconds": 60.0, "attempts": 1}
        desk = Desk(folder, service, processor(service, "FakeFez"), limits, sampling, f"n = {n}")
        start = time.perf_counter()
        desk.send(workload)
        sent = time.perf_counter()
        counts = desk.fetch(workload)
        counted = time.perf_counter()
        seconds = sum(job.quantum_seconds for job in service.paid())
    found = chi_square(counts, predicted(workload, sampling.noise(noise.calibration, workload.lines)))
    shots = int(counts.sum(axis=1).min())
    print(
        f"n = {n}, {len(lines)} lines, {len(workload):,} circuits of {shots:,} shots {options or ''}: "
        f"sent in {sent - start:.1f} s, counted in {counted - sent:.1f} s (a processor: {seconds:.0f} s); chi-square "
        f"{found['chi_square']:.0f} for {found['degrees']} degrees of freedom, p = {found['p_value']:.2g}"
    )


if __name__ == "__main__":
    print(f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} cores")
    layouts()
    for n in TOKENS:
        packed(n)
    packed(2, twirl_gates=True, twirl_readout=True)
    packed(2, dynamical_decoupling="XX")
