"""What may not come into the library unnoticed: code from data, and loaders that would run it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

from safety import SAFETY

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

FORBIDDEN = {
    "import pickle": "TID251",
    "import joblib": "TID251",
    "import torch\ntorch.load('x')": "TID251",
    "import torch as t\nt.load('x')": "TID251",
    "from torch import load\nload('x')": "TID251",
    "import numpy as np\nnp.load('x', allow_pickle=True)": "TID251",
    "import pandas as pd\npd.read_pickle('x')": "TID251",
    "import yaml\nyaml.load('x', yaml.Loader)": "S506",
    "from omegaconf import OmegaConf\nOmegaConf.load('x')": "TID251",
    "import subprocess\nsubprocess.run('ls', shell=True)": "S602",
    "import os\nos.system('ls')": "S605",
    "eval('1')": "S307",
    "exec('1')": "S102",
    "import tempfile\ntempfile.mktemp()": "S306",
    "import marshal\nmarshal.loads(b'')": "S302",
    "import tarfile\ntarfile.open('x').extractall()": "S202",
    "import jinja2\njinja2.Environment()": "S701",
    "import requests\nrequests.get('https://x', verify=False, timeout=1)": "S501",
}


def test_lint_refuses_what_runs_code_from_data(tmp_path):
    for number, code in enumerate(FORBIDDEN):
        (tmp_path / f"case{number}.py").write_text(code + "\n")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    command += ["--output-format=concise", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SAFETY)
    found = set(re.findall(r"case(\d+)\.py:\d+:\d+: (\w+) ", done.stdout))
    missed = [code for number, (code, rule) in enumerate(FORBIDDEN.items()) if (str(number), rule) not in found]
    assert missed == []


def calls(path: Path):
    """Each call of a file: the dotted name of what is called, and its keywords."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}, node.lineno


def test_transformers_is_never_trusted_with_code_of_a_model():
    seen = 0
    for path in SOURCES:
        for name, keywords, line in calls(path):
            kind, _, method = name.rpartition(".")
            if kind.startswith("Auto") and method in ("from_pretrained", "from_config"):
                seen += 1
                assert keywords.get("trust_remote_code") == "False", f"{path}:{line}"
                if kind.startswith("AutoModel") and method == "from_pretrained":
                    assert keywords.get("use_safetensors") == "True" or "gguf_file" in keywords, f"{path}:{line}"
    assert seen >= 6


def test_adapters_of_others_come_through_one_door():
    """``load_adapter`` and ``read_adapter`` alone hand files to PEFT, since PEFT falls back to pickles and the hub."""
    for path in SOURCES:
        for name, _, line in calls(path):
            if name.endswith("from_pretrained") and not name.startswith("Auto"):
                assert path.name == "loading.py", f"{path}:{line}"


def test_no_process_gets_a_shell_or_a_text_for_a_command():
    for path in SOURCES:
        for name, keywords, line in calls(path):
            if name.startswith("subprocess."):
                assert keywords.get("shell", "False") == "False", f"{path}:{line}"
