"""The jobs that measure levers: their cells, and the files that each reads of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cayley_adapters.pipeline.levers import (
    RANKED_BLOCK_DIM,
    arranged,
    block_dims,
    cells_of,
    circuits_folder,
    control_of_lever,
    evaluation_folder,
    exact_circuits_folder,
    measured,
    owners,
    ranked,
    training_folder,
)
from cayley_adapters.settings import Settings
from cayley_adapters.settings.levers import PLAIN, RANKED_FROM

__all__ = ["lever_axes", "lever_cells", "lever_settings", "levers_told"]


def lever_settings(settings: Settings, stage: str, cell: Mapping[str, str]) -> Settings:
    """The configuration that a job runs with: its lever's, or the run's where it is of none."""
    name = RANKED_FROM if stage == "lever_survey" else cell.get("lever")
    return settings if name is None else arranged(settings, name, _dim(cell))


def _dim(cell: Mapping[str, str]) -> int:
    return int(cell["block"].removeprefix("d"))


def lever_axes(settings: Settings, stage: str, cell: Mapping[str, str]) -> dict[str, list[str]]:
    """Where a job finds what others made, by wildcard.

    Args:
        settings: of the run.
        stage: a stage that measures levers.
        cell: of the job.
    """
    ratio = f"ratio{settings.sweep.compression_ratio[0]:g}"
    if stage == "levers":
        return {"arm": [*_arms(settings, ratio)], "ratio": [ratio]}
    if stage == "lever_rank":
        return {"ratio": [ratio], "block": [f"d{RANKED_BLOCK_DIM}"], "seed": [f"seed{settings.sweep.seed[0]}"]}
    if stage == "lever_survey":
        return {}
    name, d = cell["lever"], _dim(cell)
    if stage == "lever_train":
        return {"ranking": ["ranking"] if ranked(name) else []}
    folders = {"adapters": [training_folder(settings, name, d)]}
    if stage == "lever_transpile":
        exact = exact_circuits_folder(settings, name, d)
        return folders | {"exact": [exact] if exact else []}
    return folders | {"circuits": [circuits_folder(settings, name, d)]}


def levers_told(settings: Settings) -> dict[str, Any]:
    """What the comparison knows of a lever and block dimension: its control, and whose blocks and circuits it has."""
    keys = [(name, d) for name in measured(settings) for d in block_dims(settings, name)]
    return {
        "controls": {f"{name} {d}": control_of_lever(settings, name, d) for name, d in keys},
        "owners": {f"{name} {d}": list(owners(settings, name, d)) for name, d in keys},
    }


def _arms(settings: Settings, ratio: str) -> Iterator[str]:
    if measured(settings):
        for d in settings.sweep.block_dim:
            for seed in settings.sweep.seed:
                yield f"{evaluation_folder(PLAIN)}/{ratio}/d{d}/seed{seed}"
    for name, d, seed in cells_of(settings):
        yield f"{evaluation_folder(name)}/{ratio}/d{d}/seed{seed}"


def lever_cells(settings: Settings, stage: str) -> Iterator[dict[str, Any]]:
    """The cells of a stage's jobs: those of the levers that do not share what it makes."""
    if not measured(settings):
        return
    if stage in ("lever_rank", "levers"):
        if stage == "levers" or any(map(ranked, measured(settings))):
            yield {}
        return
    ratio = f"ratio{settings.sweep.compression_ratio[0]:g}"
    # Of every cell what it is made with: which may be another lever's, measured itself or not.
    part = {"lever_survey": 0, "lever_train": 0, "lever_transpile": 1}.get(stage)
    wanted = [
        (name if part is None else owners(settings, name, d)[part], d, seed) for name, d, seed in cells_of(settings)
    ]
    if stage == "lever_survey":
        if any(map(ranked, measured(settings))):
            wanted.insert(0, (RANKED_FROM, RANKED_BLOCK_DIM, settings.sweep.seed[0]))
        wanted = [cell for cell in wanted if cell[0] == RANKED_FROM]
    elif stage == "lever_train":
        wanted = [cell for cell in wanted if cell[0] not in (PLAIN, RANKED_FROM)]
    elif stage == "lever_transpile":
        wanted = [cell for cell in wanted if cell[0] != PLAIN]
    for name, d, seed in dict.fromkeys(wanted):
        own = {} if stage == "lever_survey" else {"lever": name}
        yield own | {"ratio": ratio, "block": f"d{d}", "seed": f"seed{seed}"}
