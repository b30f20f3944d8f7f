"""The Snakemake call that makes a target of the workflow."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.extras import require_extra
from cayley_adapters.core.messages import show, suggest
from cayley_adapters.core.places import run_files
from cayley_adapters.pipeline.costs import usable_cores
from cayley_adapters.pipeline.targets import require_target
from cayley_adapters.settings import split_overrides

__all__ = ["DEFAULT_TARGET", "snakemake_words"]

DEFAULT_TARGET = "phase_diagram"
_ONE_MACHINE = "default"
"""The profile whose jobs run where one types."""


def snakemake_words(
    targets: Sequence[str],
    experiment: str | None,
    overrides: Sequence[str],
    cores: int | None = None,
    profile: str | None = None,
    dry_run: bool = False,
    further: Sequence[str] = (),
) -> list[str]:
    """The words after ``snakemake`` that make targets, from whatever folder one works in.

    Args:
        targets: one or several of :data:`cayley_adapters.pipeline.targets.TARGETS`.
        experiment: the preset; the default one if None.
        overrides: one ``key=value`` each, as a command gets them.
        cores: what jobs may keep busy; all of this machine if None, where a profile does not say it.
        profile: one of those beside the Snakefile, or a folder; ``default`` if None.
        dry_run: whether to say what would run, and run nothing.
        further: options of Snakemake's own.

    Raises:
        CayleyError: a target or a profile is unknown, a package is missing, or an override cannot stand among others in
            one text.

    Example:
        >>> words = snakemake_words(["report"], "ci", ["sweep.block_dim=2,4"], cores=2)
        >>> words[:3], words[-3:]
        (['report', '--cores', '2'], ['--config', 'experiment=ci', 'overrides=sweep.block_dim=2,4'])
    """
    for target in targets:
        require_target(target)
    if profile == "slurm":
        require_extra("slurm")
    files = run_files()
    words = list(targets)
    if cores or profile in (None, _ONE_MACHINE):
        words += ["--cores", str(cores or usable_cores())]
    if profile or files != Path.cwd():
        words += ["--workflow-profile", _profile(files / "profiles", profile or _ONE_MACHINE)]
    if files != Path.cwd():
        words += ["--snakefile", str(files / "Snakefile")]
    words += ["--dry-run"] * dry_run
    config = [f"experiment={experiment}"] if experiment else []
    if overrides:
        config.append(f"overrides={_as_read(' '.join(map(_as_one, overrides)))}")
    return [*words, *further, *(["--config", *config] if config else [])]


def _profile(known: Path, name: str) -> str:
    """The folder of a profile."""
    if (known / name / "config.yaml").is_file():
        # As short as it is typed where the profiles are those of the folder that one works in.
        return str(Path("profiles", name) if known.parent == Path.cwd() else known / name)
    if (Path(name) / "config.yaml").is_file():
        return str(Path(name).absolute())
    names = sorted(path.parent.name for path in known.glob("*/config.yaml"))
    raise CayleyError(
        f"--profile {show(name)}: unknown profile{suggest(name, names)}; or the folder of one of your own, with a "
        "config.yaml in it"
    )


def _as_one(override: str) -> str:
    """An override that stays one among others, which white space parts."""
    if split_overrides(override) == [override]:
        return override
    key, _, value = override.partition("=")
    if re.search(r"""[,'"()\[\]{}\\]""", value):
        raise CayleyError(
            f"{show(override)}: has white space outside of quotes; leave it out, or put the value into quotes: "
            f"\"{key}='…'\""
        )
    return f"{key}='{value}'"


def _as_read(text: str) -> str:
    """A text as Snakemake is to be given it, which takes quotes off its ends and reads the rest as YAML.

    Colons and hashes would make it something else than a text, unless quotes are around it that white space protects.
    """
    misread = re.search(r"^\W|['\"]$|: |:$| #|[^\S ]", text)
    return f" {json.dumps(text, ensure_ascii=False)} " if misread else text
