"""Files that a configuration names: whether they are there, readable, and long enough for what is asked of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.messages import show
from cayley_adapters.core.text_files import read_documents
from cayley_adapters.settings.schema import Settings

__all__ = ["wrong_files"]


def wrong_files(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the files and folders that a configuration names, one line each.

    Text is read whole: a stage that met a fault in it hours later would have wasted them.
    """
    path = settings.model.path
    if path is not None and settings.model.source == "gguf":
        if not os.path.isfile(os.path.expanduser(path)):
            what = "is a folder; give a file, or type model=local" if os.path.isdir(path) else "there is no such file"
            yield f"model.path={show(path)}: {what}"
    elif path is not None and not os.path.isfile(os.path.join(path, "config.json")):
        what = "has no config.json" if os.path.isdir(path) else "is not there"
        yield f"model.path={show(path)}: the folder {what}; give a folder that transformers' save_pretrained wrote"
    questions = settings.questions.path
    if questions is not None and not os.path.isfile(questions):
        what = "is a folder; give" if os.path.isdir(questions) else "there is no such file; give"
        yield f"questions.path={show(questions)}: {what} a file of questions"
    for folder in settings.benchmarks.include:
        if not os.path.isdir(folder):
            yield f"benchmarks.include={show(folder)}: there is no such folder; give one with task files of the harness"
    if settings.data.source == "text":
        yield from _text(settings)


def _text(settings: Settings) -> Iterator[str]:
    data = settings.data
    files = {"train": data.train or (), "test": data.test or ()}
    trained = set(map(os.path.realpath, files["train"]))
    if twice := [file for file in files["test"] if os.path.realpath(file) in trained]:
        for file in twice:
            yield f"data.test={show(file)}: is also in data.train; training and test text must differ"
        return
    texts: dict[str, list[str]] = {part: [] for part in files}
    for part, paths in files.items():
        for file in paths:
            try:
                texts[part] += ["\n".join(read_documents(file, f"data.{part}", data.separator, data.field))]
            except CayleyError as error:
                yield str(error)
    if any(len(texts[part]) < len(files[part]) for part in files):
        return
    if set(texts["train"]) & set(texts["test"]):
        yield "data.test: has the same text as data.train; training and test text must differ"
    most = {part: sum(len(text.encode()) + 1 for text in found) for part, found in texts.items()}
    window = data.window
    for part, share, wanted, keys in (
        ("test", 10, settings.evaluate.windows, "evaluate.windows"),
        ("train", 10, settings.train.validation_windows + 1, "train.validation_windows"),
        ("train", 1, settings.data.calibration_windows, "data.calibration_windows"),
    ):
        shared = settings.evaluate.context if part == "test" else 0
        yield from _too_short(f"data.{part}", most[part] - shared, share, wanted, window - shared, keys)


def _too_short(key: str, characters: int, tenths: int, windows: int, window: int, wanted: str) -> Iterable[str]:
    """Refuse what not even one token a byte would do; how many tokens there are, only the model's tokenizer knows."""
    if characters * tenths < windows * window * 10:
        which = "" if tenths == 10 else ", of which calibration has the last tenth,"
        yield (
            f"{key}: has at most {characters} tokens{which} and {wanted} needs {windows} windows of {window} "
            f"(data.window); give more text, or lower {wanted} or data.window"
        )
