"""Composing a run's configuration: ``conf/``, a preset and typed overrides make one :class:`Settings` a variant."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
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
from cayley_adapters.core.places import run_files
from cayley_adapters.settings.combinations import (
    by_variant,
    combine,
    name_models,
    name_variants,
    read_entries,
    require_own,
)
from cayley_adapters.settings.overrides import read_overrides, split_overrides
from cayley_adapters.settings.schema import Settings, fields, holds, sections, validate
from cayley_adapters.settings.user_files import wrong_files

__all__ = ["compose", "find_conf_dir", "from_snakemake_config", "parse_cli"]

DEFAULT_EXPERIMENT = "quickstart"
EXAMPLE = '--config experiment=quickstart overrides="train.steps=40 sweep.block_dim=2,4"'


def find_conf_dir(conf_dir: str | Path | None = None) -> Path:
    """Find the folder of configuration files.

    Args:
        conf_dir: The folder itself; None takes that of :func:`cayley_adapters.core.places.run_files`.

    Returns:
        Its absolute path.

    Raises:
        CayleyError: It is not there.
    """
    found = run_files() / "conf" if conf_dir is None else Path(conf_dir).absolute()
    if not (found / "config.yaml").is_file():
        raise CayleyError(
            f"no configuration: config.yaml is not in {found}; give the folder that has it, or run from the root of "
            "the repository"
        )
    return found


def compose(
    experiment: str = DEFAULT_EXPERIMENT, overrides: Sequence[str] = (), conf_dir: str | Path | None = None
) -> list[Settings]:
    """Compose and check the configuration of a run.

    Args:
        experiment: Name of the preset, a file of ``conf/experiment``.
        overrides: One ``key=value`` each, in Hydra's grammar. Several values of a key or group are as many variants,
            of several keys their product, the first slowest; but those of an axis of the sweep belong to one map.
        conf_dir: The folder of configuration files, see :func:`find_conf_dir`.

    Returns:
        The settings of each variant: those that the preset names, each with every combination of what is swept.

    Raises:
        CayleyError: The preset, a key, an option or a value is wrong, or a named file is missing; one line each.

    Example:
        >>> [settings] = compose("ci", ["sweep.block_dim=2,4,8"])
        >>> settings.sweep.block_dim
        (2, 4, 8)
        >>> [settings.variant for settings in compose("ci", ["train.steps=2,4"])]
        ['steps2', 'steps4']
    """
    conf = find_conf_dir(conf_dir)
    experiments = _options(conf, "experiment")
    if experiment not in experiments:
        if "," in str(experiment):
            raise CayleyError(
                f"experiment={show(experiment)}: presets cannot be swept: each is a run of its own; run one after the "
                "other, or let a preset name variants"
            )
        raise CayleyError(
            f"experiment={show(experiment)}: unknown experiment '{show(experiment)}'"
            f"{suggest(str(experiment), experiments)}; type experiment=NAME"
        )
    groups = {name: _options(conf, name) for name in sections()}
    leaves = fields()
    keys = [key for key in leaves if key not in ("experiment", "variant", "title")]
    text_keys = [key for key in keys if holds(leaves[key], str)]

    def read(words: Sequence[str]) -> dict[str, list[Any]]:
        return read_overrides(words, keys, text_keys, groups)

    typed = read(overrides)
    if typed.get("levers.size", [None])[0] in groups["levers"]:  # a size is more than a value: it sets other keys
        [size] = typed.pop("levers.size")
        if typed.setdefault("levers", [size]) != [size]:
            raise CayleyError(f"levers={typed['levers'][0]} levers.size={size}: these differ; give one of them")
    named = _merge(conf, experiment, {}, groups)
    entries = read_entries(experiment, named["variants"], read) if "variants" in named else []
    combinations = combine(entries, typed, groups)
    raws = [_merge(conf, experiment, one.sets, groups) for one in combinations]
    name_models(raws)
    models = [str(raw["model"]["name"]) for raw in raws]
    for raw, (name, title) in zip(raws, name_variants(combinations, models), strict=True):
        raw.pop("variants", None)
        raw |= {"variant": name, "title": title}
    found = _checked(raws)
    require_own(combinations, found)
    return found


def _checked(raws: Sequence[dict[str, Any]]) -> list[Settings]:
    """Check the configuration of each variant, and the files that it names."""
    found: list[Settings] = []
    wrong: list[tuple[str | None, list[str]]] = []
    for raw in raws:
        try:
            found.append(settings := validate(raw))
            wrong.append((raw["variant"], [*wrong_files(settings)]))
        except CayleyError as error:
            wrong.append((raw["variant"], str(error).splitlines()))
    if lines := by_variant(wrong):
        raise CayleyError("\n".join(lines))
    return found


def _options(conf: Path, group: str) -> list[str]:
    return sorted(path.stem for path in (conf / group).glob("*.yaml"))


def _merge(conf: Path, experiment: str, sets: Mapping[str, Any], groups: Mapping[str, Any]) -> dict[str, Any]:
    """Put chosen options and values on top of what the files say, and resolve what the files interpolate."""
    chosen = [f"experiment={experiment}", *(f"{key}={option}" for key, option in sets.items() if key in groups)]
    try:
        edited = max(path.stat().st_mtime_ns for path in conf.rglob("*.yaml"))
        config = OmegaConf.create(_composed(conf, tuple(chosen), edited))
        for key, value in sets.items():
            if key not in groups:
                OmegaConf.update(config, key, value, merge=False)
        return cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True))
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, OSError, TypeError, ValueError) as error:
        raise CayleyError(f"the configuration in {conf} cannot be composed: {' '.join(str(error).split())}") from error


@lru_cache(maxsize=256)
def _composed(conf: Path, groups: tuple[str, ...], edited: int) -> Any:
    """Let Hydra compose the chosen files, once for each state of the folder: it takes a tenth of a second."""
    with initialize_config_dir(config_dir=str(conf), job_name="cayley", version_base="1.3"):
        return OmegaConf.to_container(hydra_compose(config_name="config", overrides=list(groups)))


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
            inside = _inside(config, known) if str(key) in _overridable() else nearest(str(key), known)
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


def _overridable() -> set[str]:
    """All keys and groups that an override may have."""
    return {*fields(), *sections()}


def _inside(config: Mapping[str, Any], known: Collection[str]) -> str:
    """The same configuration with all that is no key of ``--config`` inside of ``overrides``."""
    strays = [f"{key}={value}" for key, value in config.items() if key not in known]
    given = [f"experiment={config['experiment']}"] if "experiment" in config else []
    words = shlex.join(given) + ' overrides="' + " ".join([str(config.get("overrides") or ""), *strays]).strip() + '"'
    return f"; all overrides stand inside overrides, in one pair of quotes: --config {words.strip()}."
