"""Copies of the project, one without results and one in which the workflow has run."""

from __future__ import annotations

import pytest
from planted_secrets import planted
from project_copy import Project, copy_project


@pytest.fixture
def fresh(tmp_path) -> Project:
    """A copy without results."""
    return copy_project(tmp_path)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Project:
    """A copy in which the ``ci`` experiment has run, by a user with secrets; tests must leave it as it is."""
    project = copy_project(tmp_path_factory.mktemp("built"), planted(tmp_path_factory.mktemp("home")), served=False)
    project.snakemake("phase_diagram", "report", "--config", "experiment=ci")
    return project
