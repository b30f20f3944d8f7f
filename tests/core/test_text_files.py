"""Which files of text are meant, and the documents in them."""

from __future__ import annotations

import json
import os

import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.text_files import expand, read_documents


@pytest.fixture
def folder(tmp_path):
    for name in ("b.txt", "a.md", "deep/c.jsonl", "deep/.hidden.txt", ".git/x.txt", "picture.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    return tmp_path


def test_folders_and_globs_stand_for_their_files(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert expand([str(folder)]) == [os.path.join(folder, name) for name in ("a.md", "b.txt", "deep/c.jsonl")]
    assert expand(["."]) == ["./a.md", "./b.txt", "./deep/c.jsonl"]
    assert expand(["*.txt", "b.txt", "a.md"]) == ["b.txt", "a.md"]
    assert expand(["**/*.jsonl"]) == ["deep/c.jsonl"]
    assert expand(["not_there.txt"]) == ["not_there.txt"]
    (folder / "[odd].txt").write_text("text")
    assert expand(["[odd].txt"]) == ["[odd].txt"]
    (folder / "empty").mkdir()
    assert expand(["*.doc"]) == ["*.doc"]
    with pytest.raises(ValueError, match="empty holds no file of text"):
        expand(["empty"])


@pytest.mark.parametrize(
    ("separator", "wanted"),
    [
        (None, ["one\n\ntwo\n \n\nthree\fand four### five\n"]),
        ("blank_lines", ["one", "two", "three\fand four### five\n"]),
        ("form_feed", ["one\n\ntwo\n \n\nthree", "and four### five\n"]),
        ("(#)+ ?", ["one\n\ntwo\n \n\nthree\fand four", "five\n"]),
    ],
)
def test_documents_of_a_file(tmp_path, separator, wanted):
    path = tmp_path / "x.txt"
    path.write_text("one\n\ntwo\n \n\nthree\fand four### five\n")
    assert list(read_documents(str(path), "data.train", separator, "text")) == wanted


def test_documents_of_json_lines(tmp_path):
    path = tmp_path / "x.jsonl"
    rows = [{"body": "one\n\nline"}, {"body": "zwei ü", "id": 3}]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    assert list(read_documents(str(path), "data.train", "blank_lines", "body")) == ["one\n\nline", "zwei ü"]
    for line, said in (
        ("{", "line 3 is no JSON"),
        ('["x"]', "it is no object"),
        ('{"body": 3}', "has no text at 'body'"),
    ):
        path.write_text("\n".join(json.dumps(row) for row in rows) + "\n" + line)
        with pytest.raises(CayleyError, match=said):
            list(read_documents(str(path), "data.train", None, "body"))


def test_nothing_between_separators(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("###")
    with pytest.raises(CayleyError, match=r"data\.test=.*holds no document"):
        list(read_documents(str(path), "data.test", "#+", "text"))
