"""Results of another configuration are never overwritten: who asks for that is told, and may let them go."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import write_file
from cayley_adapters.core.messages import say, show
from cayley_adapters.core.reading import flat
from cayley_adapters.pipeline.table import STAGES
from cayley_adapters.pipeline.variants import Variant

__all__ = ["claim", "replaces", "require_same"]

FREE = (
    *("track.", "store", "title", "model.agree"),
    *(f"qpu.{name}" for name in ("agree", "max_seconds", "cap_factor", "unknown_seconds", "attempts")),
)
"""Keys that results do not depend on, by how they begin; also those by which jobs are sent, whatever they measure, and
that somebody accepts a licence, which is said after a refusal."""

SHOWN = 6
"""Differing keys that a message names."""


def require_same(variants: Iterable[Variant]) -> None:
    """Stop where results of another configuration have the run's name, unless ``replace=true`` lets them go.

    Args:
        variants: of a run.

    Raises:
        CayleyError: they have; with the keys that differ, and what to type.
    """
    variants = [*variants]
    for variant in variants:
        if variant.settings.replace:
            continue
        config = Path(variant.folder, "config.yaml")
        if found := [*_differences(config, variant), *_other_maps(variant, variants)]:
            shown = [f"  {key}: {show(there)} there, {show(asked)} asked for" for key, there, asked in found[:SHOWN]]
            if len(found) > SHOWN:
                shown.append(f"  and {len(found) - SHOWN} more")
            raise CayleyError(
                "\n".join(
                    [
                        f"{variant.folder} holds results of another configuration:",
                        *shown,
                        f"Keep them and give this run a name of its own: run={_free_name(variant)}",
                        "Or let them go (what is in the store, and what a processor measured, stays): replace=true",
                    ]
                )
            )


def replaces(variant: Variant) -> bool:
    """Whether results of another configuration are there, and are to be let go."""
    return variant.settings.replace and any(_differences(Path(variant.folder, "config.yaml"), variant))


def claim(variants: Iterable[Variant], kept: Container[str] = ()) -> None:
    """Write down what a results folder is of, and with ``replace=true`` remove first what is there of another.

    Args:
        variants: of a run.
        kept: files that the workflow has looked at, and makes anew where they are of another configuration.
    """
    for variant in variants:
        config = Path(variant.folder, "config.yaml")
        if replaces(variant):
            say(f"{variant.folder}: results of another configuration are let go")
            _clear(Path(variant.folder), kept)
            config.unlink(missing_ok=True)
        if not config.exists():
            write_file(config, variant.settings.to_yaml())


def _differences(config: Path, variant: Variant) -> Iterator[tuple[str, Any, Any]]:
    """Key, value there and value asked for."""
    if not config.is_file():
        if any(Path(variant.folder).glob("*.csv")):
            yield "config.yaml", "missing", "one"
        return
    try:
        there = dict(flat(yaml.safe_load(config.read_text(encoding="utf-8"))))
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        raise CayleyError(f"cannot read the configuration {config}: {error}; type run=NAME, or replace=true") from error
    asked = dict(flat(variant.settings.model_dump(mode="json")))
    for key in [*asked, *(key for key in there if key not in asked)]:
        if not key.startswith(FREE) and there.get(key, "nothing") != asked.get(key, "nothing"):
            yield key, there.get(key, "nothing"), asked.get(key, "nothing")


def _other_maps(variant: Variant, asked: Iterable[Variant]) -> Iterator[tuple[str, Any, Any]]:
    """The same of a run's variants: those that are there and that a new comparison would leave out."""
    if variant.settings.variant is not None:
        run, names = Path(variant.folder).parent, {Path(one.folder).name for one in asked}
        there = {path.parent.name for path in run.glob("*/config.yaml")}
        if (run / "config.yaml").is_file():
            yield "variants", "none, but one map", sorted(names)
        elif there - names:
            yield "variants", sorted(there), sorted(names)


def _free_name(variant: Variant) -> str:
    """A name that no results have."""
    run, folder = variant.settings.run, Path(variant.folder)
    root = folder.parent if variant.settings.variant is None else folder.parents[1]
    return next(name for number in range(2, 10_000) if not (root / (name := f"{run}-{number}")).exists())


def _clear(folder: Path, kept: Container[str]) -> None:
    """Remove what the workflow makes in a results folder; not what a processor counted, which was paid."""
    for stage in STAGES.values():
        for pattern in () if stage.processor else stage.outputs.values():
            place = folder / pattern.removeprefix("{base}/")
            if stage.stored:  # a folder of links; in older results, of files
                place = folder / pattern.removeprefix("{base}/").partition("/")[0]
            if str(place) not in kept:
                _remove(place)
    for name in ("logs", "provenance", "levers"):
        _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
