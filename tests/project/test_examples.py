"""Every public name has a docstring with an example, and each example gives what it says."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest
from map_tables import small_map

import cayley_adapters


@pytest.fixture
def work(tmp_path: Path, monkeypatch) -> Path:
    """A folder to work in, with the map of a run that the examples call quickstart."""
    cells, baselines, transition = small_map()
    transition["bootstrap"]["replicates"] = 2000
    folder = tmp_path / "results" / "quickstart"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("run: quickstart\n")
    cells.to_csv(folder / "phase_diagram.csv", index=False)
    baselines.to_csv(folder / "baselines.csv", index=False)
    (folder / "transition.json").write_text(json.dumps(transition))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", cayley_adapters.__all__)
def test_the_example_gives_what_it_says(name, work):
    public = {other: getattr(cayley_adapters, other) for other in cayley_adapters.__all__}
    found = doctest.DocTestFinder(recurse=False).find(public[name], name, globs=public)
    assert [test for test in found if test.examples], f"{name} has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
