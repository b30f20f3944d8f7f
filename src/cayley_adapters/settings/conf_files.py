"""The files of ``conf/``: data alone, composed by Hydra.

A folder ``conf`` may come from a stranger. Before Hydra sees it each file is read as plain YAML, and anything that
could reach the environment, other folders or Python objects is refused: resolvers, tags, ``_target_``, Hydra's own
settings, and aliases that unfold without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show
from cayley_adapters.settings.plain_yaml import scalars

__all__ = ["composed"]

LARGEST_FILE = 100_000
_REFERENCE = re.compile(r"\$\{[A-Za-z_][\w.]*\}")

Stamp = tuple[tuple[str, int, int], ...]


def composed(conf: Path, groups: tuple[str, ...]) -> dict[str, Any]:
    """Let Hydra compose ``config.yaml`` and the chosen files of each group.

    Args:
        conf: the folder of configuration files.
        groups: such as ``("experiment=ci", "model=tiny_random")``, names of files that are there.

    Returns:
        Keys and values with their references to other keys, ``${experiment}``, unresolved.

    Raises:
        CayleyError: a file asks for more than values, or they do not fit together.
    """
    return deepcopy(_composed(str(conf), _stamp(conf), groups))


def _stamp(conf: Path) -> Stamp:
    """Names, times and sizes of all files, by which a change is seen."""
    try:
        found = [(str(path), path.stat()) for path in sorted(conf.rglob("*.yaml"))]
    except OSError as error:
        raise CayleyError(f"cannot read the configuration {conf}: {error}") from error
    return tuple((path, item.st_mtime_ns, item.st_size) for path, item in found)


@lru_cache(maxsize=256)
def _composed(conf: str, stamp: Stamp, groups: tuple[str, ...]) -> dict[str, Any]:
    _check(stamp)
    try:
        with initialize_config_dir(config_dir=conf, job_name="cayley", version_base="1.3"):
            found = OmegaConf.to_container(hydra_compose(config_name="config", overrides=list(groups)))
    # Hydra meets files of a wrong form with whatever its own code runs into: it has no closed set of classes.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise CayleyError(f"the configuration in {conf} cannot be composed: {reason}") from error
    if not isinstance(found, dict):
        raise CayleyError(f"the configuration in {conf} cannot be composed: it is no section of keys and values")
    return {str(key): value for key, value in found.items()}


@lru_cache(maxsize=64)
def _check(stamp: Stamp) -> None:
    for path, _, size in stamp:
        if size > LARGEST_FILE:
            raise CayleyError(f"{path}: has {size} bytes, and a configuration file at most {LARGEST_FILE}")
        try:
            wrong = next(_wrong(Path(path).read_text(encoding="utf-8")), None)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise CayleyError(f"cannot read the configuration {path}: {' '.join(str(error).split())}") from error
        if wrong:
            raise CayleyError(f"{path}: {wrong}; a configuration file only sets keys and values")


def _wrong(text: str) -> Iterator[str]:
    """Say what a file asks for beyond values."""
    for value in scalars(text):
        if "${" in _REFERENCE.sub("", value):
            yield f"{show(value)} is not allowed, since only references to keys, ${{key}}, are"
        if re.search(r"\bhydra\b", value):
            yield f"{show(value)}: Hydra's own settings cannot be changed"
        if re.fullmatch(r"_\w+_", value) and value != "_self_":
            yield f"'{show(value)}' is not allowed"
