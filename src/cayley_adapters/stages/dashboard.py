"""Make the W&B workspace and report of a run, and publish them where tracking is online."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cayley_adapters.analysis.transition_table import load_transition
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.files import write_file
from cayley_adapters.core.job import Job
from cayley_adapters.core.messages import say
from cayley_adapters.core.tables import read_baselines, read_cells
from cayley_adapters.pipeline.stage import Outcome
from cayley_adapters.report.wandb.dashboard import Dashboard, Measured, build_dashboard, definition
from cayley_adapters.report.wandb.runs import tracking_group
from cayley_adapters.settings import Settings

__all__ = ["run"]

PLACEHOLDER = "ENTITY"
"""Stands for the team or user in the definition while neither is known."""


def run(job: Job, settings: Settings) -> Outcome:
    """Write ``dashboard.json``, and save both pages to W&B if ``track.mode`` is online."""
    inputs, track = job.inputs, settings.track
    measured = Measured(
        tracking_group(job.base),
        settings.experiment,
        settings.run,
        read_cells(inputs["cells"][0]),
        read_baselines(inputs["baselines"][0]),
        load_transition(inputs["transition"][0]),
        validated=settings.train.validation_windows > 0,
    )
    path = job.outputs["definition"]
    if track.mode == "online":
        try:
            import wandb

            entity = track.entity or wandb.Api().default_entity
            if entity is None:
                raise CayleyError("this login has no default entity; type track.entity=…")
            dashboard = build_dashboard(measured, entity, track.project)
            _write(dashboard, path)
            _publish(dashboard, Path(job.base, "wandb", "published.json"))
            return Outcome()
        except Exception as error:  # no login, no network: the definition is worth having all the same
            say(f"warning: nothing was published to W&B ({type(error).__name__}: {error})")
    _write(build_dashboard(measured, track.entity or PLACEHOLDER, track.project), path)
    say(f"{job.label}: workspace and report are in {path}. To publish them, log in (wandb login), then")
    for command in _commands(job, settings):
        say(f"  {command}")
    return Outcome()


def _write(dashboard: Dashboard, path: Path) -> None:
    write_file(path, json.dumps(definition(dashboard), indent=1) + "\n")


def _publish(dashboard: Dashboard, memory: Path) -> None:
    """Save both pages; where they are is kept, so that the next time they are replaced and not doubled."""
    known = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    place = f"{dashboard.workspace.entity}/{dashboard.workspace.project}"
    urls = known.setdefault(place, {})
    for page, url in _save(dashboard, dict(urls)):
        urls[page] = url
        write_file(memory, json.dumps(known, indent=1) + "\n")
        say(f"{page}: {url}")


def _save(dashboard: Dashboard, earlier: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Save both pages to W&B, in place of earlier ones if they are still there.

    Args:
        dashboard: what to save.
        earlier: what this function yielded for the pages to be replaced; empty for new ones.

    Yields:
        ``report`` or ``workspace`` and its URL, once it is saved. The report comes first: saving it makes the project.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    parts = {
        "report": ("title", "description", "blocks", "width"),
        "workspace": ("name", "sections", "settings", "runset_settings"),
    }
    for kind, page in ((wr.Report, "report"), (ws.Workspace, "workspace")):
        made = getattr(dashboard, page)
        if saved := _load(kind, earlier.get(page)):
            for part in parts[page]:
                setattr(saved, part, getattr(made, part))
            made = saved
        yield page, made.save().url


def _load(kind: Any, url: str | None) -> Any:
    """A page as it is saved; None if there is none any more."""
    try:
        return kind.from_url(url) if url else None
    except Exception:  # the library has no class of error for pages that are gone
        return None


def _commands(job: Job, settings: Settings) -> list[str]:
    """What uploads the runs and publishes the pages."""
    given = [f"experiment={settings.experiment}", "track.mode=online"]
    if settings.track.entity:
        given.append(f"track.entity={settings.track.entity}")
    if settings.run != settings.experiment:
        given += [f"run={settings.run}", "(and your other overrides)"]
    return [f"wandb sync {shlex.quote(job.base)}/wandb/offline-run-*", " ".join(["cayley dashboard", *given])]
