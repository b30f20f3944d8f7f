"""Compare maps: those of a run's variants, or of any results folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cayley_adapters.analysis.comparison import DIFFERENCE_COLUMNS, Comparison, columns_of, compare_maps
from cayley_adapters.analysis.evaluations import read_evaluations, read_references
from cayley_adapters.analysis.maps import Map
from cayley_adapters.analysis.transition_table import load_transition
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import PARTIAL
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.reading import damaged, flat, load_arrays, load_json
from cayley_adapters.core.tables import read_baselines, read_cells, write_table
from cayley_adapters.pipeline.paths import BASELINE, EVALUATION, PREPARED, TABLES, TRANSITION
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.report.captions.comparison import comparison_notes
from cayley_adapters.report.drawing import draw_figures
from cayley_adapters.report.figures import COMPARE
from cayley_adapters.settings import Settings

__all__ = ["MapFiles", "compare_folders", "find_map", "names_of", "run"]


@dataclass(frozen=True)
class MapFiles:
    """Where a map lies.

    Attributes:
        name: of the map.
        folder: of its results.
        tokens: the prepared text.
        losses: of its evaluations.
        compressed: losses of the compressed models, one a ratio.
    """

    name: str
    folder: str
    tokens: str
    losses: Sequence[str]
    compressed: Sequence[str]


def run(job: Job, settings: Settings) -> Outcome:
    """Write the tables, the picture and the page of a run's variants."""
    found = _write([MapFiles(**files) for files in job.told["maps"]], job.outputs)
    for note in comparison_notes(found):
        say(note)
    return Outcome()


def compare_folders(
    folders: Sequence[Path], output: Path, reference: str | None = None, noise_scales: Sequence[float] = ()
) -> Comparison:
    """Compare the maps of results folders, and write what a run of several variants has of them.

    Args:
        folders: of results, each of one map.
        output: folder to write to.
        reference: name of the map that others are compared with; the first if None.
        noise_scales: above 0, to compare at.

    Raises:
        CayleyError: a folder is unfinished or given twice, or the maps cannot be compared.
    """
    outputs = {name: Path(pattern.format(base=output)) for name, pattern in STAGES["compare"].outputs.items()}
    files = [find_map(name, folder) for name, folder in names_of(folders).items()]
    return _write(files, outputs, reference, noise_scales)


def names_of(folders: Sequence[Path]) -> dict[str, Path]:
    """The end of each path that no other one has → the folder.

    Raises:
        CayleyError: one is given twice.
    """
    parts = [folder.resolve().parts for folder in folders]
    if twice := [str(folder) for folder, own in zip(folders, parts, strict=True) if parts.count(own) > 1]:
        raise CayleyError(f"{twice[0]} is given twice; give two or more different maps")
    found = {}
    for folder, own in zip(folders, parts, strict=True):
        length = next(
            count for count in range(1, len(own) + 1) if sum(one[-count:] == own[-count:] for one in parts) < 2
        )
        found["/".join(own[-length:])] = folder
    return found


def find_map(name: str, folder: Path) -> MapFiles:
    """The files of a map in its results folder, told by the rows of its table.

    Raises:
        CayleyError: one is missing.
    """
    gathered = [folder / "config.yaml", *(Path(path.format(base=folder)) for path in (TABLES | TRANSITION).values())]
    _require(folder, gathered)
    cells = read_cells(gathered[1])
    own = cells[cells["executor"] != "qpu"][["compression_ratio", "block_dim", "seed"]].drop_duplicates()
    losses = [
        EVALUATION["losses"].format(base=folder, ratio=f"ratio{ratio:g}", block=f"d{d}", seed=f"seed{seed}")
        for ratio, d, seed in own.itertuples(index=False)
    ]
    ratios = own["compression_ratio"].unique()
    compressed = [BASELINE["losses"].format(base=folder, ratio=f"ratio{ratio:g}") for ratio in ratios]
    tokens = PREPARED["tokens"].format(base=folder)
    _require(folder, [Path(path) for path in (*losses, *compressed, tokens)])
    return MapFiles(name, str(folder), tokens, losses, compressed)


def _require(folder: Path, paths: Sequence[Path]) -> None:
    if missing := [path for path in paths if not path.is_file()]:
        raise CayleyError(
            f"{folder} is unfinished: {missing[0]} is missing. Finish it with the command that it was started with, "
            "then compare"
        )


def _write(
    files: Sequence[MapFiles],
    outputs: Mapping[str, Path],
    reference: str | None = None,
    noise_scales: Sequence[float] = (),
) -> Comparison:
    maps = {one.name: _read(one) for one in files}
    found = compare_maps(list(maps.values()), reference, noise_scales)
    write_table(found.table, outputs["table"], columns_of(found.scales, list(found.keys)))
    write_table(found.differences, outputs["differences"], DIFFERENCE_COLUMNS)
    given = {
        "comparison_differences": found.differences.assign(map=found.differences["map"].map(found.labels)),
        "maps": [(label, maps[name].cells, maps[name].transition) for name, label in found.labels.items()],
        "notes": comparison_notes(found),
    }
    draw_figures(COMPARE, outputs, given)
    return found


def _read(files: MapFiles) -> Map:
    """A map from its files."""
    folder = Path(files.folder)
    paths = [Path(path) for path in files.compressed]
    losses, documents = read_references(paths)
    ratios = [float(read_baselines(path.with_name("baselines.csv"))["compression_ratio"].iloc[0]) for path in paths]
    text, scored = load_arrays(files.tokens, "test.tokens", "test.scored")
    return Map(
        files.name,
        _configuration(folder / "config.yaml"),
        read_cells(Path(TABLES["cells"].format(base=folder))),
        read_baselines(Path(TABLES["baselines"].format(base=folder))),
        load_transition(Path(TRANSITION["transition"].format(base=folder))),
        read_evaluations([Path(path) for path in files.losses], len(documents)),
        dict(zip(ratios, losses, strict=True)),
        documents,
        text[:, 1:][scored[:, 1:]][: len(documents)],
        [*_records(folder)],
    )


def _configuration(path: Path) -> dict[str, Any]:
    """Dotted key → value. It may be of another version of the program: what is not compared is not checked."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise damaged(path, " ".join(str(error).split())) from error
    if not isinstance(found, dict):
        raise damaged(path, "it holds no keys")
    return dict(flat(found))


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """What jobs took, of those that left a record."""
    for path in sorted(folder.glob("logs/*.json")):
        if path.is_file() and not path.name.startswith(PARTIAL):
            yield load_json(path, "stage", "cell", "cpu_seconds")
