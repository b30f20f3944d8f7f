"""Compiled code on disk: two processes that add to it at once do not mix theirs up."""

from __future__ import annotations

import runpy
import threading

from safety import SAFETY

from cayley_adapters.core.files import locked
from cayley_adapters.kernels import compiled as module
from cayley_adapters.kernels.compiled import compiled


def function(x):
    return x + 1


def test_two_that_compile_at_once_keep_their_own_code(tmp_path, monkeypatch):
    """In the worst order: both read the index, the second writes index and code, then the first writes its code."""
    monkeypatch.setattr(module, "_folder", lambda: str(tmp_path))
    first, second = (compiled()(function)._cache._cache_file for _ in range(2))
    compiled()(function)._cache._impl.locator.ensure_cache_path()
    read, go_on = threading.Event(), threading.Event()
    save_index, save_data = second._save_index, first._save_data

    def index_later(overloads):
        read.set()
        go_on.wait(SAFETY)
        save_index(overloads)

    def data_last(name, data):
        go_on.set()
        other.join(SAFETY)
        save_data(name, data)

    def asked_by_the_first(path):
        if threading.current_thread() is not other:
            go_on.set()  # it has to wait for the second from here on
        return locked(path)

    monkeypatch.setattr(module, "locked", asked_by_the_first)
    monkeypatch.setattr(second, "_save_index", index_later)
    monkeypatch.setattr(first, "_save_data", data_last)
    other = threading.Thread(target=second.save, args=("of floats", "code for floats"))
    other.start()
    assert read.wait(SAFETY)
    first.save("of integers", "code for integers")
    other.join()
    later = compiled()(function)._cache._cache_file
    assert later.load("of integers") == "code for integers"
    assert later.load("of floats") == "code for floats"


def test_code_is_kept_and_found(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_folder", lambda: str(tmp_path))
    assert compiled()(function)(1) == 2
    again = compiled()(function)
    assert again(1) == 2
    assert sum(again.stats.cache_hits.values()) == 1
    assert again(1.5) == 2.5
    assert len(list(tmp_path.rglob("*.nbc"))) == 2


def test_a_copy_elsewhere_finds_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_folder", lambda: str(tmp_path / "kept"))
    for place in ("here", "there"):
        path = tmp_path / place / "kernel.py"
        path.parent.mkdir()
        path.write_text("def add(x):\n    return x + 1\n")
        found = compiled()(runpy.run_path(str(path), run_name="kernel")["add"])
        assert found(1) == 2
        assert sum(found.stats.cache_hits.values()) == (place == "there")
