"""``cayley verify``: the checks of a folder, the cells that are computed again, and the verdict on both."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import text_table
from cayley_adapters.core.tables import read_table
from cayley_adapters.pipeline.provenance import provenance_path
from cayley_adapters.pipeline.verification.again import run_again
from cayley_adapters.pipeline.verification.cells import TOLERANCE, Cell, cells_again, chosen_points
from cayley_adapters.pipeline.verification.folder import Folder
from cayley_adapters.pipeline.verification.integrity import Check, integrity
from cayley_adapters.pipeline.verification.training import Trained, train_again

__all__ = ["Verdict", "verify"]

_TABLES: dict[str, tuple[str, ...] | None] = {"aggregate": None, "levers": ("table", "goal")}
"""Stages that gather cells, and which of their files have to come out the same; all if None."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What was found of one results folder.

    Attributes:
        folder: its path as given.
        checks: of its files.
        cells: computed again.
        trained: None unless a training was asked for.
    """

    folder: str
    checks: tuple[Check, ...]
    cells: tuple[Cell, ...]
    trained: Trained | None

    @property
    def agrees(self) -> bool:
        """Whether nothing differs; warnings are no difference."""
        sound = all(check.verdict != "differs" for check in self.checks) and all(cell.agrees for cell in self.cells)
        return sound and (self.trained is None or self.trained.agrees)

    def as_json(self) -> dict[str, Any]:
        """All of it in plain types, with null for what is not a number."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self) | {"agrees": self.agrees})
        return plain

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def verify(
    base: Path, cells: int | None = 3, seed: int = 0, tolerance: float = TOLERANCE, retrain: bool = False
) -> Verdict:
    """Check a results folder, and compute some of its cells again.

    Args:
        base: the folder.
        cells: how many points of the map and of levers, drawn at random; None for all.
        seed: of the draw.
        tolerance: nats a token by which a cell may differ where another machine, other packages or other code
            computed it; where they are the same, every digit has to agree.
        retrain: whether to train the blocks of the first of these cells again, too.

    Raises:
        CayleyError: it is no results folder, it is unfinished, or a job cannot be run again.
    """
    folder = Folder.open(base)
    checks = [*integrity(folder)]
    with tempfile.TemporaryDirectory(prefix="cayley-verify-") as temporary:
        checks.append(_gathered(folder, Path(temporary, "gathered")))
        gathered = read_table(base / "phase_diagram.csv")
        found: list[Cell] = []
        trained = None
        for number, (job, points) in enumerate(chosen_points(folder, cells, seed)):
            stored = gathered if job.base == folder.variant.base("evaluate") else read_table(job.outputs["cells"])
            found += cells_again(job, points, stored, tolerance, Path(temporary, f"cell{number}"))
            if retrain and trained is None:
                trained = train_again(_training(folder, job), Path(temporary, "training"))
    return Verdict(str(base), tuple(checks), tuple(found), trained)


def _training(folder: Folder, evaluation: Job) -> Job:
    """The job that trained the blocks of an evaluation."""
    [adapter] = evaluation.inputs["adapter"]
    return next(job for job in folder.trainings if job.outputs["adapter"] == adapter)


def _gathered(folder: Folder, temporary: Path) -> Check:
    """Whether the tables are what the cells' own files give, to the byte."""
    notes = []
    for stage, names in _TABLES.items():
        for job in folder.jobs_of(stage):
            mine = {name: path for name, path in job.outputs.items() if names is None or name in names}
            if not all(path.exists() for path in mine.values()):
                continue  # of levers, which are not needed for a map
            records = provenance_path(job).parent.is_dir()
            again = run_again(job, temporary / stage, records).outputs
            for name, path in mine.items():
                if path.read_bytes() != again[name].read_bytes():
                    notes.append(f"{path} is not what the files of its cells give{_first_line(path, again[name])}")
    return Check("tables are gathered from the cells' files", "differs" if notes else "agrees", tuple(notes))


def _first_line(mine: Path, other: Path) -> str:
    """Where two files differ first."""
    lines = [path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (mine, other)]
    for number, (ours, theirs) in enumerate(zip(*lines, strict=False), start=1):
        if ours != theirs:
            return f"; line {number} is\n    {ours}\n  and should be\n    {theirs}"
    return f"; it has {len(lines[0])} lines and should have {len(lines[1])}"


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.folder}"
    yield ""
    for check in verdict.checks:
        yield f"{check.verdict:12s} {check.name}"
        yield from (f"  {note}" for note in check.notes)
    yield ""
    rows = [_row(cell) for cell in verdict.cells]
    columns = ("cell", "stored nll", "again", "difference", "may differ by", "verdict")
    yield text_table(rows, columns, right=columns[1:5])
    if (trained := verdict.trained) is not None:
        yield ""
        limit = "to the byte" if trained.limit == 0 else f"up to {trained.limit:g}"
        yield (
            f"{_word(trained.agrees):12s} blocks of {trained.name} trained again: relative difference of the "
            f"parameters {trained.difference:.3g}, allowed {limit}"
        )
    yield ""
    yield _rule(verdict.cells)
    yield f"{verdict.folder}: {'all that was looked at agrees' if verdict.agrees else 'IT DOES NOT AGREE, see above'}"


def _rule(cells: Sequence[Cell]) -> str:
    exact = sum(cell.limit == 0 for cell in cells)
    told = [f"{exact} compared to the last digit: the same machine class, packages and code"] if exact else []
    if len(cells) > exact:
        told.append(f"{len(cells) - exact} within a tolerance: machine, packages or code differ from those recorded")
    return f"{len(cells)} cells computed again; {'; '.join(told)}."


def _row(cell: Cell) -> dict[str, str]:
    return {
        "cell": cell.name,
        "stored nll": f"{cell.stored['nll']:.9f}",
        "again": f"{cell.again['nll']:.9f}",
        "difference": f"{cell.difference:.2g}",
        "may differ by": "nothing" if cell.limit == 0 else f"{cell.limit:.2g}",
        "verdict": _word(cell.agrees),
    }


def _word(agrees: bool) -> str:
    return "agrees" if agrees else "DIFFERS"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
