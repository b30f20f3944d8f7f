"""A new key is declared once, with its section, and has its default in ``conf/``: nothing else need know it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from project_copy import Project, copy_project

CODE = """
import json
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose, reference, validate

[default], [typed] = compose("ci"), compose("ci", ["evaluate.patience=1e1", "sweep.angle=0.5,0.1"])
said = []
for wrong in ("evaluate.patience=-1", "evaluate.patiense=3", "sweep.angle=x"):
    try:
        compose("ci", [wrong])
    except CayleyError as error:
        said.append(str(error))
print(json.dumps({
    "default": default.leaves("evaluate.patience", "sweep.angle"),
    "typed": typed.leaves("evaluate.patience", "sweep.angle"),
    "said": said,
    "frozen": validate(typed.model_dump(mode="json")) == typed and "  patience: 10\\n" in typed.to_yaml(),
    "reference": [line for line in reference().splitlines() if "patience" in line or "angle" in line],
    "leaves": typed.only("evaluate").evaluate.patience,
}))
"""


def add(project: Project, file: str, before: str, line: str) -> None:
    path = project.folder / file
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, line + before))


def test_a_new_key_touches_its_section_and_its_default(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    section = "src/cayley_adapters/settings/evaluation.py"
    field = 'Annotated[int, Between(0, 9000)] = Field(description="How long one waits.")'
    add(project, section, "    refine: ", f"    patience: {field}\n")
    add(project, "conf/evaluate/default.yaml", "refine: 0\n", "patience: 3\n")
    axis = 'Annotated[tuple[Annotated[float, Between(0, 7)], ...], axis()] = Field(description="Turns.")'
    add(project, section, "    noise_scale: ", f"    angle: {axis}\n")
    add(project, "conf/sweep/default.yaml", "noise_scale: [", "angle: [0]\n")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, **project.options())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == {
        "default": {"evaluate.patience": 3, "sweep.angle": [0.0]},
        "typed": {"evaluate.patience": 10, "sweep.angle": [0.1, 0.5]},
        "said": [
            "evaluate.patience=-1: must be a whole number between 0 and 9000",
            "unknown key 'evaluate.patiense'; did you mean 'evaluate.patience'?",
            "sweep.angle=x: must be a number between 0 and 7",
        ],
        "frozen": True,
        "reference": ["| `evaluate.patience` | `3` | How long one waits. |", "| `sweep.angle` | `[0.0]` | Turns. |"],
        "leaves": 10,
    }
