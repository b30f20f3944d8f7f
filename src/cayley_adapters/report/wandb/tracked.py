"""What a stage has tracked: one run with its numbers, and the files that pass from one stage to the next.

Stages return these, and who runs them logs them (:mod:`cayley_adapters.report.wandb.runs`): files are the truth, and
tracking changes nothing of what a stage makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cayley_adapters.core.files import sha256
from cayley_adapters.core.job import Job, control_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "TrackedFiles",
    "TrackedRun",
    "adapter_files",
    "cell_config",
    "compressed_files",
    "evaluation_files",
    "figure_files",
]


@dataclass(frozen=True)
class TrackedFiles:
    """Files that one run makes and another one uses: an artifact, and through it the lineage.

    Two runs that name the same artifact with the same bytes mean the same version of it.

    Attributes:
        name: such as ``adapter-ratio0.2-d4-seed0``; the group is put before it.
        kind: W&B's artifact type: ``compressed-model``, ``adapter``, ``evaluation``, ``phase-diagram``, ``figures``.
        files: paths; each keeps its file name.
        metadata: what they are of; not part of the version.
    """

    name: str
    kind: str
    files: Sequence[Path]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackedRun:
    """One run of W&B.

    Attributes:
        name: such as ``train ratio0.1 d4 seed0``; with ``-`` for spaces, the group before it and the place after it,
            its id.
        job_type: stage.
        config: what was configured, in plain types.
        history: one record a step.
        axis: the history's key that the others are plotted over.
        summary: final numbers; nothing else becomes one.
        tables: name → frame.
        pictures: name → PNG.
        used: artifacts that the run was given.
        made: artifacts that it made.
    """

    name: str
    job_type: str
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]] = ()
    axis: str | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    used: Sequence[TrackedFiles] = ()
    made: Sequence[TrackedFiles] = ()

    def to_json(self) -> str:
        """Write a run without tables and pictures, which jobs of the store have none of."""
        return json.dumps(asdict(replace(self, tables={}, pictures={})), default=_plain)

    @classmethod
    def from_json(cls, text: str) -> TrackedRun:
        """Read what :meth:`to_json` has written."""
        found = json.loads(text)
        for name in ("used", "made"):
            found[name] = [TrackedFiles(**item | {"files": [*map(Path, item["files"])]}) for item in found[name]]
        return cls(**found)


def _plain(value: Any) -> Any:
    """A path as text, and a number of NumPy as a plain one."""
    return str(value) if isinstance(value, Path) else value.item()


def cell_config(job: Job) -> dict[str, Any]:
    """A job's cell in plain numbers, by which the W&B pages sort and filter, and ``cell``, one for all its seeds."""
    cell = job.cell
    config: dict[str, Any] = {"cell": " ".join(value for axis, value in cell.items() if axis != "seed")}
    if "ratio" in cell:
        config["compression_ratio"] = job.ratio
    if "block" in cell:
        config |= {"method": "cayley", "block_dim": job.block_dim}
    if "control" in cell:
        method, block_dim = control_of(cell["control"])
        config |= {"method": method} | ({"block_dim": block_dim} if block_dim else {})
    if "seed" in cell:
        config["seed"] = job.seed
    return config


def compressed_files(job: Job, description: Path | None = None) -> TrackedFiles:
    """The compressed or healed model that a job starts from, by its description: neither weights nor text are uploaded.

    Args:
        job: the job.
        description: of the model that it makes, if that is meant.
    """
    description = description or job.inputs["compression"][0]
    about = json.loads(description.read_text(encoding="utf-8"))
    kept = {key: value for key, value in about.items() if key != "projections"}
    return TrackedFiles(
        f"{description.parent.parent.name}-{job.cell['ratio']}",
        "compressed-model",
        [description],
        {**kept, "text_sha256": sha256(job.inputs["tokens"][0])},
    )


def adapter_files(job: Job, folder: Path) -> TrackedFiles:
    """A trained adapter, of blocks or of a control, as PEFT loads it."""
    files = [folder / "adapter_model.safetensors", folder / "adapter_config.json"]
    return TrackedFiles(f"adapter-{_place(folder)}", "adapter", files, cell_config(job))


def evaluation_files(table: Path) -> TrackedFiles:
    """The rows of one cell along the noise axis."""
    return TrackedFiles(f"evaluation-{_place(table.parent)}", "evaluation", [table])


def figure_files(name: str, *paths: Path) -> TrackedFiles:
    """The pictures that a stage draws."""
    return TrackedFiles(f"figures-{name}", "figures", paths)


def _place(folder: Path) -> str:
    """Names a cell's folder: ``ratio0.2-d4-seed0``."""
    return "-".join(folder.parts[-3:])
