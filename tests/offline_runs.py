"""Offline W&B runs read back with W&B's own reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safety import SAFETY


@dataclass
class OfflineRun:
    """What one run's file holds."""

    folder: Path
    records: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind, without their wrapping."""
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def run(self) -> dict[str, Any]:
        return self.of("run")[0]

    @property
    def config(self) -> dict[str, Any]:
        return {key: value for key, value in self.run["config"]["update"].items() if key != "_wandb"}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Numbers, one record a step; media are left out."""
        steps = [{k: v for k, v in item["item"].items() if k[0] != "_" and "." not in k} for item in self.of("history")]
        return [step for step in steps if step]

    @property
    def summary(self) -> dict[str, Any]:
        updates = {key: value for item in self.of("summary") for key, value in item.get("update", {}).items()}
        return {key: value for key, value in updates.items() if key[0] != "_" and "._" not in key}

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """What was defined of each key of the history."""
        return {item["name"]: item for item in self.of("metric")}

    @property
    def artifacts(self) -> dict[str, dict[str, Any]]:
        """By name, without those that W&B makes of tables."""
        return {item["name"]: item for item in self.of("artifact") if item["type"] != "run_table"}

    def table(self, name: str) -> dict[str, Any]:
        """``columns`` and ``data`` of a table."""
        (path,) = self.folder.glob(f"files/media/table/{name}_*.table.json")
        return json.loads(path.read_text(encoding="utf-8"))


def read_run(folder: Path) -> OfflineRun:
    """Read one ``offline-run-…`` folder."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"WANDB_MODE": "offline"}, timeout=SAFETY
    )
    return OfflineRun(folder, [json.loads(line) for line in done.stdout.splitlines()])


def read_runs(folder: Path) -> dict[str, OfflineRun]:
    """All offline runs of a ``wandb`` folder, by their ids without what tells places apart."""
    return {
        path.name.split("-", 3)[3].rpartition("-")[0]: read_run(path) for path in sorted(folder.glob("offline-run-*"))
    }
