"""No test's outcome hangs on how fast the machine is: clocks are read only where no bound follows from them."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
CLOCKS = re.compile(r"\b(?:monotonic|perf_counter|process_time|getrusage|getloadavg|timeit)\b")
LIMITS = re.compile(r"\btimeout[\"']?[=:(] ?[0-9]|\.(?:wait|join|communicate)\([0-9]")
ALLOWED = {
    "safety.py": "ends what hangs",
    "faults/harness.py": "ends what hangs",
    "slurm/cluster.py": "ends what hangs",
    "slurm/test_slurm.py": "ends what hangs",
    "faults/test_faults.py": "draws instants, any of which will do",
    "qpu/test_submission_faults.py": "draws instants, any of which will do",
    "qpu/submitting.py": "is a clock that does not wait",
    "qpu/test_twin_faults.py": "a pause is at least as long as it was asked for",
    "pipeline/test_job_records.py": "what a job says of itself lies within what is seen from outside",
    "mutation/run.py": "no test: ends mutants that loop",
}
LIMITED = {
    "slurm/cluster.py": "kills a daemon that does not end when asked to",
    "hostile/test_static.py": "a line that the linter is to refuse",
}


def test_clocks_and_limits_are_where_they_decide_nothing():
    files = {path.relative_to(TESTS).as_posix(): path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")}
    del files["project/test_speed.py"]
    assert {name for name, text in files.items() if CLOCKS.search(text)} == set(ALLOWED)
    assert {name for name, text in files.items() if LIMITS.search(text)} == set(LIMITED)
