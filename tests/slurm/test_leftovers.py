"""A cluster of tests that were killed does not keep the next ones from starting theirs."""

from __future__ import annotations

import fcntl
from pathlib import Path

import cluster
import pytest


@pytest.fixture
def etc(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(cluster, "ETC", tmp_path)
    (tmp_path / "slurm.conf").write_text(cluster.MARK + cluster.SLURM_CONF.format(folder=tmp_path))
    (tmp_path / "gres.conf").write_text(cluster.MARK + cluster.GRES_CONF)
    return tmp_path


def test_what_killed_tests_left_is_taken_away(etc):
    assert cluster.obstacle() is None
    assert not list(etc.glob("*.conf"))


def test_a_cluster_of_tests_that_still_run_stays(etc):
    with (etc / "slurm.conf").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "still run" in cluster.obstacle()
    assert len(list(etc.glob("*.conf"))) == 2


def test_a_slurm_that_is_not_ours_stays(etc):
    (etc / "slurm.conf").write_text("ClusterName=theirs\n")
    assert "leave alone" in cluster.obstacle()
    assert (etc / "slurm.conf").read_text() == "ClusterName=theirs\n"
