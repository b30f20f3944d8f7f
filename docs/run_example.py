"""Run README's example of the library, and keep what it prints as docs/data/readme/example.txt.

python docs/run_example.py && python docs/write_numbers.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def example() -> str:
    """The first Python of README."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)[0]


def main() -> None:
    """Write what it prints."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", example()], cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    path = ROOT / "docs" / "data" / "readme" / "example.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(done.stdout, encoding="utf-8")
    print(done.stdout, end="")


if __name__ == "__main__":
    main()
