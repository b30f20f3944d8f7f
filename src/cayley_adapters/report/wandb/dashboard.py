"""The W&B pages of a run, made by code: a saved workspace to explore in, and a report to read.

Both are built without a network. Only metrics that the run's tables show to be logged get a panel, so that none is
empty.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from cayley_adapters.report.captions.dashboard import critical_noise_table, findings, reading
from cayley_adapters.report.figures import PHASE_DIAGRAM, RECOVERY, SCALING
from cayley_adapters.report.result_tables import TABLES
from cayley_adapters.report.wandb.cells import CURVE_AXIS, METRICS, cell_runs

if TYPE_CHECKING:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

__all__ = ["Dashboard", "Measured", "build_dashboard", "definition"]

BARS = {
    "perplexity": "Perplexity without noise (controls and references: exact)",
    "recovery": "Recovered share of the lost perplexity, without noise",
    "perplexity_device": "Perplexity at noise scale 1",
    "lambda_c": "Critical noise scale",
}
CURVE_TITLES = {"curve/perplexity": "Perplexity", "curve/recovery": "Recovery", "curve/nll": "Loss (nats a token)"}
TRAINING = {
    "train/loss": "Training loss (nats a token)",
    "train/cross_entropy": "Cross-entropy (nats a token)",
    "train/gradient_norm": "Gradient norm",
    "train/validation": "Validation loss (nats a token)",
}
PICTURES = (*PHASE_DIAGRAM, *SCALING, *RECOVERY)
"""Figures that every run of the map has."""

DRAWN = tuple(dict.fromkeys(figure.stage for figure in PICTURES))
AXIS_TITLE = "noise scale (0 ideal, 1 the device as calibrated)"
COLUMNS = ("compression_ratio", "block_dim", "seed", "method")
PAPER = "https://arxiv.org/abs/2605.05914"


@dataclass(frozen=True)
class Measured:
    """What a dashboard is made from.

    Attributes:
        group: of the runs.
        experiment: preset, for the command that reproduces it.
        run: name of the results folder.
        cells: ``phase_diagram.csv``.
        baselines: ``baselines.csv``.
        result: ``transition.json``.
        validated: whether training measured a validation loss.
    """

    group: str
    experiment: str
    run: str
    cells: pd.DataFrame
    baselines: pd.DataFrame
    result: Mapping[str, Any]
    validated: bool = True

    @property
    def model(self) -> str:
        """Its name."""
        return str(self.cells["model"].iloc[0])

    def logged(self) -> set[str]:
        """Keys of the numbers that the runs of cells hold, curves included."""
        found: set[str] = set()
        for run in cell_runs(self.cells, self.baselines, self.result):
            for record in (run.summary, *run.history):
                found |= {key for key, value in record.items() if pd.notna(value)}
        return found


@dataclass(frozen=True)
class Dashboard:
    """A workspace and a report, as ``wandb-workspaces`` has them."""

    workspace: ws.Workspace
    report: wr.Report


def build_dashboard(measured: Measured, entity: str, project: str) -> Dashboard:
    """Build the workspace and the report.

    Args:
        measured: what they show.
        entity: team or user that owns the project.
        project: W&B project.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    panels = _panels(measured)
    in_group = expr.Metric("Group") == measured.group
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"Phase diagram: {measured.group}",
        sections=[
            ws.Section(name=name, panels=made, is_open=True, layout_settings=ws.SectionLayoutSettings(columns=2))
            for name, made in panels.items()
        ],
        settings=ws.WorkspaceSettings(max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=expr.And(in_group),
            # One line a cell: its training, evaluations and results together, seeds averaged.
            groupby=[expr.Config("cell")],
            order=[expr.Ordering(expr.Config(f"{name}.value")) for name in COLUMNS[:3]],
            pinned_columns=[
                *(f"config:{name}.value" for name in COLUMNS),
                *(f"summary:{name}" for name in METRICS if name in measured.logged()),
            ],
        ),
    )

    def grid(section: str, *job_types: str) -> wr.PanelGrid:
        runs = expr.And(in_group, expr.Metric("JobType").isin(list(job_types)))
        return wr.PanelGrid(
            runsets=[wr.Runset(name=", ".join(job_types), filters=runs)], panels=_placed(_panels(measured)[section])
        )

    curves: list[Any] = [wr.H1("Over the noise scale"), grid("Over noise", "cell")] if "Over noise" in panels else []
    report = wr.Report(
        entity=entity,
        project=project,
        title=f"Phase diagram of {measured.model} - {measured.group}"[:128],
        description="Made by `cayley dashboard` from the results' tables.",
        width="fluid",
        blocks=[
            wr.H1("What the map shows"),
            wr.UnorderedList(items=[*findings(measured.result)]),
            wr.MarkdownBlock(critical_noise_table(measured.result)),
            wr.MarkdownBlock(reading(measured.cells, measured.result)),
            grid("Pictures", *DRAWN),
            wr.H1("Perplexity and recovery by cell"),
            grid("By cell", "cell"),
            *curves,
            wr.H1("Training"),
            grid("Training", "train", "control"),
            wr.H1("Tables"),
            grid("Tables", *DRAWN, "compare_circuits"),
            wr.H1("Where the numbers come from"),
            wr.MarkdownBlock(
                "Each adapter was trained on a compressed model and evaluated along the noise axis, and its evaluation "
                "went into the table below: the artifact's lineage shows every step."
            ),
            wr.WeaveBlockArtifact(
                entity=entity, project=project, artifact=f"{measured.group}-phase_diagram", tab="lineage"
            ),
            wr.H1("What the columns mean"),
            wr.MarkdownBlock(
                "\n".join(["| key | meaning |", "|---|---|", *(f"| `{k}` | {v} |" for k, v in METRICS.items())])
            ),
            wr.H1("How to reproduce"),
            wr.CodeBlock(_command(measured), language=None),
            wr.MarkdownBlock(
                f"The method is that of [arXiv:{PAPER.rpartition('/')[2]}]({PAPER}). All settings are in each run's "
                f"configuration, and in `results/{measured.run}/config.yaml`."
            ),
        ],
    )
    return Dashboard(workspace, report)


def _panels(measured: Measured) -> dict[str, list[Any]]:
    """Panels by section; new ones at each call, since each has an id of its own."""
    import wandb_workspaces.reports.v2 as wr

    logged, scales = measured.logged(), measured.cells["noise_scale"]
    by_cell = [
        *(wr.BarPlot(title=title, metrics=[key], max_bars_to_show=100) for key, title in BARS.items() if key in logged),
        wr.ScatterPlot(
            title="Perplexity over free parameters",
            x=wr.SummaryMetric("adapter_parameters"),
            y=wr.SummaryMetric("perplexity"),
            log_y=True,
        ),
    ]
    sections: dict[str, list[Any]] = {"By cell": by_cell}
    if (scales > 0).any():
        sections["Over noise"] = [
            # A logarithmic axis has no place for noise scale 0: its values are the bars above.
            wr.LinePlot(
                title=title, x=CURVE_AXIS, y=[key], title_x=AXIS_TITLE, log_x=True, log_y=key == "curve/perplexity"
            )
            for key, title in CURVE_TITLES.items()
            if key in logged
        ]
    sections["Training"] = [
        wr.LinePlot(title=title, x="train/step", y=[key], title_x="step", max_runs_to_show=100)
        for key, title in TRAINING.items()
        if key != "train/validation" or measured.validated
    ]
    sections["Pictures"] = [
        wr.MediaBrowser(title=figure.title, media_keys=[figure.picture], num_columns=1) for figure in PICTURES
    ]
    sections["Tables"] = [
        *(
            wr.WeavePanelSummaryTable(table_name=table.tracked)
            for table in TABLES.values()
            if table.tracked and (table.section != "noise-budget" or "two_qubit_gates" in logged)
        ),
        wr.WeavePanelSummaryTable(table_name="critical_noise"),
    ]
    return sections


def _placed(panels: Sequence[Any]) -> list[Any]:
    """Two panels a row of a report, 24 columns wide."""
    import wandb_workspaces.reports.v2 as wr

    for index, panel in enumerate(panels):
        panel.layout = wr.Layout(x=12 * (index % 2), y=9 * (index // 2), w=12, h=9)
    return list(panels)


def _command(measured: Measured) -> str:
    own = "" if measured.run == measured.experiment else f' overrides="run={measured.run}"'
    return f"snakemake --cores 8 phase_diagram --config experiment={measured.experiment}{own}"


def definition(dashboard: Dashboard) -> dict[str, Any]:
    """Both pages as the library would send them, in plain types."""
    pages = {
        "workspace": (dashboard.workspace.name, dashboard.workspace._to_model().spec),
        "report": (dashboard.report.title, dashboard.report._to_model().spec),
    }
    return {
        page: {"name": name, "spec": json.loads(spec.model_dump_json(by_alias=True, exclude_none=True))}
        for page, (name, spec) in pages.items()
    }
