"""Results folders: which there are, and the map that one holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cayley_adapters.analysis.curves import select_cells
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.reading import load_json
from cayley_adapters.core.tables import read_cells

__all__ = ["read_map", "results_folders"]


def results_folders(path: Path) -> list[Path]:
    """A results folder, or those of the models below it.

    Raises:
        CayleyError: it is neither.
    """
    if not path.is_dir():
        raise CayleyError(f"{path} is no folder; give the folder of a run, such as results/quickstart")
    if (path / "config.yaml").exists():
        return [path]
    found = sorted(item.parent for item in path.glob("*/config.yaml"))
    if not found or path.name == "results":
        names = ", ".join(str(item) for item in found) or "none is below it"
        raise CayleyError(f"{path} is no results folder: it has no config.yaml; give the folder of a run ({names})")
    return found


def read_map(folder: str | Path, *, every: bool = False) -> pd.DataFrame:
    """Read the map of a results folder: one row a cell, as the picture shows them.

    Args:
        folder: of a run, such as ``results/quickstart``. Of a run of several variants all are read, and a column
            ``variant`` comes first.
        every: whether rows of other readouts and numbers of shots, exact ones and those of a processor are wanted, too.

    Returns:
        Columns as of ``phase_diagram.csv``: ``block_dim``, ``noise_scale``, ``nll`` in nats a token, ``perplexity``, …

    Raises:
        CayleyError: it is no results folder, or an unfinished or damaged one.

    Example:
        >>> table = read_map("results/quickstart")
        >>> table.pivot_table(index="block_dim", columns="noise_scale", values="perplexity").shape
        (2, 3)
    """
    folders = results_folders(Path(folder).expanduser())
    maps = {one.name: _read(one, every) for one in folders}
    if len(maps) == 1:
        return maps[folders[0].name]
    found = pd.concat(maps, names=["variant", None]).reset_index(level="variant")
    return found.reset_index(drop=True)


def _read(folder: Path, every: bool) -> pd.DataFrame:
    for name in ("phase_diagram.csv", "transition.json"):
        if not (folder / name).is_file():
            raise CayleyError(
                f"{folder} is unfinished: {name} is missing. Finish it with the command that it was started with"
            )
    cells = read_cells(folder / "phase_diagram.csv")
    if every:
        return cells
    transition = load_json(folder / "transition.json", "readout", "shots")
    own = cells[cells["executor"] != "qpu"]  # measured on a processor, on a text of its own
    chosen = select_cells(own, transition["readout"], transition["shots"], transition.get("executor"))
    return own.iloc[chosen].reset_index(drop=True)
