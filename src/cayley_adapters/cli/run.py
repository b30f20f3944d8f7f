"""``cayley run``: a whole run, by the one call of Snakemake that makes it."""

from __future__ import annotations

import os
import shlex
import sys
from itertools import takewhile
from typing import Annotated

import typer

from cayley_adapters.cli.common import settings_of
from cayley_adapters.core.messages import say

__all__ = ["run"]


def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]... [experiment=NAME] [KEY=VALUE]... [-- OPTION...]",
            help="What to make, phase_diagram unless given; preset and overrides; options of Snakemake's own.",
        ),
    ] = None,
    cores: Annotated[int | None, typer.Option(min=1, help="That jobs may keep busy; all unless given.")] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="Where jobs run: default, slurm, cloud, or a folder.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and run nothing.")] = False,
) -> None:
    """Make a target and all that leads to it, with Snakemake."""
    from cayley_adapters.pipeline.feasibility import require_tasks
    from cayley_adapters.pipeline.targets import require_target
    from cayley_adapters.pipeline.workflow import DEFAULT_TARGET, snakemake_words
    from cayley_adapters.settings import parse_cli

    own = list(takewhile(lambda word: not word.startswith("-"), words or []))
    further = (words or [])[len(own) :]
    given = [
        word for word in own if "=" in word or "." in word
    ]  # such as train.steps 5, which is answered as elsewhere
    targets = [word for word in own if word not in given] or [DEFAULT_TARGET]
    require_tasks(settings_of(given))  # what is wrong is answered here, in one message, and not in Snakemake's
    for target in targets:
        require_target(target)
    experiment, overrides = parse_cli(given)
    named = experiment if any(word.startswith("experiment=") for word in given) else None
    call = snakemake_words(targets, named, overrides, cores, profile, dry_run, further)
    say(shlex.join(["snakemake", *call]))
    # In this process's place, so that signals and the exit status are Snakemake's; -P keeps what lies in the folder
    # that one works in from being imported.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "snakemake", *call])
