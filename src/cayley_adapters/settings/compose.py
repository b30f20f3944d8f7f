"""Composing the configuration of a run: ``conf/``, a preset and typed overrides make one :class:`Settings` a model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cayley_adapters.core.errors import CayleyError, nearest
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.settings.overrides import Choices, read_overrides, split_overrides
from cayley_adapters.settings.schema import Settings, fields, holds, sections, validate
from cayley_adapters.settings.user_files import wrong_files

__all__ = ["compose", "find_conf_dir", "from_snakemake_config", "parse_cli"]

DEFAULT_EXPERIMENT = "quickstart"
EXAMPLE = '--config experiment=quickstart overrides="train.steps=40 sweep.block_dim=2,4"'

_OWN_KEYS = {"model.path": "local", "model.id": "hub", "model.revision": "hub"}
"""Keys that name one model, and the entry of ``conf/model`` that they belong to."""


def find_conf_dir(conf_dir: str | Path | None = None) -> Path:
    """Find the folder of configuration files.

    Args:
        conf_dir: The folder itself; None takes that of the repository, or else ``conf`` in the working directory.

    Returns:
        Its absolute path.

    Raises:
        CayleyError: It is not there.
    """
    repository = Path(__file__).resolve().parents[3] / "conf"
    candidates = [repository, Path.cwd() / "conf"] if conf_dir is None else [Path(conf_dir).absolute()]
    for candidate in candidates:
        if (candidate / "config.yaml").is_file():
            return candidate
    raise CayleyError(
        f"no configuration: config.yaml is not in {' nor in '.join(map(str, candidates))}; "
        "run from the root of the repository"
    )


def compose(
    experiment: str = DEFAULT_EXPERIMENT, overrides: Sequence[str] = (), conf_dir: str | Path | None = None
) -> list[Settings]:
    """Compose and check the configuration of a run.

    Args:
        experiment: Name of the preset, a file of ``conf/experiment``.
        overrides: One ``key=value`` each, in Hydra's grammar. The model and the axes of the sweep take several values.
        conf_dir: The folder of configuration files, see :func:`find_conf_dir`.

    Returns:
        The settings of each model, in the order given; a list of one unless the model is swept.

    Raises:
        CayleyError: The preset, a key, an option or a value is wrong, or a named file is missing; one line each.

    Example:
        >>> [settings] = compose("ci", ["sweep.block_dim=2,4,8"])
        >>> settings.sweep.block_dim
        (2, 4, 8)
    """
    conf = find_conf_dir(conf_dir)
    experiments = _options(conf, "experiment")
    if experiment not in experiments:
        raise CayleyError(
            f"experiment={show(experiment)}: unknown experiment '{show(experiment)}'"
            f"{suggest(str(experiment), experiments)}; type experiment=NAME"
        )
    leaves = fields()
    choices = read_overrides(
        overrides,
        keys=[key for key in leaves if key != "experiment"],
        text_keys=[key for key, field in leaves.items() if holds(field, str)],
        list_keys=[key for key, field in leaves.items() if holds(field, tuple)],
        groups={name: _options(conf, name) for name in sections()},
    )
    if choices.values.get("levers.size") in _options(conf, "levers"):  # a size is more than a value: it sets other keys
        size = choices.values.pop("levers.size")
        if choices.groups.setdefault("levers", size) != size:
            raise CayleyError(f"levers={choices.groups['levers']} levers.size={size}: these differ; give one of them")
    raws = []
    for model, values in _variants(choices):
        picked = [f"experiment={experiment}", *(f"{group}={name}" for group, name in choices.groups.items())]
        raws.append(_merge(conf, [*picked, f"model={model}"] if model else picked, {**choices.values, **values}))
    _name_models(raws)
    found = [validate(raw) for raw in raws]
    lines = dict.fromkeys(line for settings in found for line in wrong_files(settings))
    if lines:
        raise CayleyError("\n".join(lines))
    return found


def _options(conf: Path, group: str) -> list[str]:
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def _variants(choices: Choices) -> list[tuple[str | None, dict[str, Any]]]:
    """Return each model entry with the values that are its own."""
    models: list[str | None] = [*choices.models] or [None]
    for key, values in choices.per_model.items():
        if len(values) > 1 and _OWN_KEYS[key] not in models:
            given = ",".join(map(show, values))
            raise CayleyError(f"{key}={given}: several values are only possible with model={_OWN_KEYS[key]}")
    variants = []
    for model in models:
        own = {
            key: values
            for key, values in choices.per_model.items()
            if model == _OWN_KEYS[key] or _OWN_KEYS[key] not in models
        }
        count = max(map(len, own.values()), default=1)
        for key, values in own.items():
            if len(values) not in (1, count):
                raise CayleyError(f"{key}: has {len(values)} values where {' and '.join(own)} need one or {count} each")
        for index in range(count):
            variants.append((model, {key: values[index % len(values)] for key, values in own.items()}))
    return variants


def _merge(conf: Path, groups: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Put the typed values on top of what the files say, and resolve what the files interpolate."""
    try:
        edited = max(path.stat().st_mtime_ns for path in conf.rglob("*.yaml"))
        config = OmegaConf.create(_composed(conf, tuple(groups), edited))
        for key, value in values.items():
            OmegaConf.update(config, key, value, merge=False)
        return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, TypeError, ValueError) as error:
        raise CayleyError(f"the configuration in {conf} cannot be composed: {' '.join(str(error).split())}") from error


@lru_cache(maxsize=256)
def _composed(conf: Path, groups: tuple[str, ...], edited: int) -> Any:
    """Let Hydra compose the chosen files, once for each state of the folder: it takes a tenth of a second."""
    with initialize_config_dir(config_dir=str(conf), job_name="cayley", version_base="1.3"):
        return OmegaConf.to_container(hydra_compose(config_name="config", overrides=list(groups)))


def _name_models(raws: Sequence[dict[str, Any]]) -> None:
    """Name the models that have no name after their id or folder, with as much of it as tells them apart."""
    models = [raw["model"] for raw in raws if isinstance(raw.get("model"), dict)]
    nameless = [model for model in models if model.get("name") is None]
    hub = [model for model in nameless if model.get("source") == "hub" and isinstance(model.get("id"), str)]
    local = [model for model in nameless if model.get("source") == "local" and isinstance(model.get("path"), str)]
    local = [model for model in local if model["path"].isprintable()]
    for model in hub:
        model["name"] = _safe(model["id"].replace("/", "--"))
    parts = [Path(os.path.realpath(os.path.expanduser(model["path"]))).parts for model in local]
    for length in range(1, max(map(len, parts), default=0) + 1):
        names = [_safe("-".join(part.strip("/") for part in path[-length:])) for path in parts]
        for model, name in zip(local, names, strict=True):
            model["name"] = name
        if len(set(names)) == len(names):
            break
    for model in nameless:
        if model.get("name") is None:
            model["name"] = "unnamed"  # what is wrong with the id or the path, the schema says
    names = [str(model["name"]) for model in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CayleyError(f"model: {', '.join(twice)} is given more than once; give each model once, and no model.name")


def _safe(text: str) -> str:
    """Make a text safe as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:100] or "model"


def parse_cli(args: Sequence[str]) -> tuple[str, list[str]]:
    """Read ``experiment=NAME key=value …`` as a command gets it.

    Args:
        args: The words, one override each.

    Returns:
        The preset's name and the overrides.

    Raises:
        CayleyError: A word has no ``=``, or the experiment is given twice.
    """
    experiments = [arg.partition("=")[2] for arg in args if arg.startswith("experiment=")]
    if len(experiments) > 1:
        raise CayleyError(f"experiment is given more than once ({', '.join(map(show, experiments))}); give one")
    overrides = [arg for arg in args if not arg.startswith("experiment=")]
    wrong = [
        f"{show(arg)}: is no override; type key=value, without spaces around '=', such as train.steps=40"
        for arg in overrides
        if "=" not in arg
    ]
    if wrong:
        raise CayleyError("\n".join(wrong))
    return (experiments or [DEFAULT_EXPERIMENT])[0], overrides


def from_snakemake_config(config: Mapping[str, Any], conf_dir: str | Path | None = None) -> list[Settings]:
    """Compose from what ``--config`` passed to Snakemake.

    Args:
        config: At most the keys ``experiment`` and ``overrides``, both text.
        conf_dir: The folder of configuration files, see :func:`find_conf_dir`.

    Returns:
        As :func:`compose`.

    Raises:
        CayleyError: Another key, a value that Snakemake did not read as text, or anything :func:`compose` refuses.
    """
    known = ("experiment", "overrides")
    for key, value in config.items():
        if key not in known:
            inside = f'; type it inside overrides: overrides="{key}=…"' if "." in str(key) else nearest(str(key), known)
            raise CayleyError(f"--config {show(key)}=…: unknown key '{show(key)}'{inside} Example: {EXAMPLE}")
        if not isinstance(value, str) and (key, value) != ("overrides", None):
            raise CayleyError(
                f"--config {key}: Snakemake read {show(value)} as {type(value).__name__} where a text is needed; leave "
                "no space after a colon and begin with no bracket, or put the whole value into two pairs of quotes, "
                f"{key}=\"'…'\". Example: {EXAMPLE}"
            )
    return compose(
        config.get("experiment", DEFAULT_EXPERIMENT), split_overrides(config.get("overrides") or ""), conf_dir
    )
