"""The map of a results folder as a picture, for a notebook or a script."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from cayley_adapters.analysis.result_folders import results_folders
from cayley_adapters.analysis.transition_table import load_transition
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import read_baselines, read_cells
from cayley_adapters.report.plots.phase_diagram import phase_diagram_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_map"]


def plot_map(folder: str | Path, *, title: str | None = None) -> Figure:
    """Draw the map of a results folder: perplexity over block dimension and noise scale, and where noise drowns gain.

    Args:
        folder: of a run, such as ``results/quickstart``; of a run of several variants that of one of them.
        title: above it; the model's name if None.

    Returns:
        A figure of Matplotlib: a notebook shows it, ``figure.savefig("map.png", dpi=300)`` writes it.

    Raises:
        CayleyError: it is no results folder, an unfinished or damaged one, or one of several variants.

    Example:
        >>> figure = plot_map("results/quickstart", title="SmolLM2-135M")
        >>> figure.savefig("map.png", dpi=300)
    """
    found = results_folders(Path(folder).expanduser())
    if len(found) > 1:
        raise CayleyError(f"{folder} has several maps; give one of {', '.join(map(str, found))}")
    cells, baselines = (found[0] / name for name in ("phase_diagram.csv", "baselines.csv"))
    transition = load_transition(found[0] / "transition.json")
    figure = phase_diagram_figure(read_cells(cells), read_baselines(baselines), transition, title)

    def png() -> bytes:
        target = io.BytesIO()
        figure.savefig(target, format="png", dpi=150)
        return target.getvalue()

    # What notebooks ask for; their own hook is for figures of pyplot, which would be drawn twice.
    setattr(figure, "_repr_png_", png)  # noqa: B010  # Matplotlib's class has no such attribute
    return figure
