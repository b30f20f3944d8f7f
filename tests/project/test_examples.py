"""Every public name has a docstring with an example, and each example gives what it says."""

from __future__ import annotations

import doctest

import pytest

import cayley_adapters


@pytest.mark.parametrize("name", cayley_adapters.__all__)
def test_the_example_gives_what_it_says(name):
    public = {other: getattr(cayley_adapters, other) for other in cayley_adapters.__all__}
    found = doctest.DocTestFinder(recurse=False).find(public[name], name, globs=public)
    assert [test for test in found if test.examples], f"{name} has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in found:
        runner.run(test, out=said.append)
    assert runner.failures == 0, "".join(said)
