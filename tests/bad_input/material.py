"""Files that wrong inputs name, good and bad ones."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["QUESTION", "write_material"]

QUESTION = '{"question": "q", "choices": ["a", "b"], "answer": 0, "id": "1"}\n'


def write_material(folder: Path) -> None:
    """Write all of them into a folder."""
    texts = {
        "train.txt": "".join(f"line {number} of the training text\n" for number in range(400)),
        "test.txt": "".join(f"line {number} of the test text\n" for number in range(400)),
        "empty.txt": "",
        "spaces.txt": " \n\t\n",
        "short.txt": "a few words",
        "nul.txt": "some text\0more text",
        "long_word.txt": "a" * 1_100_000,
        "broken.jsonl": QUESTION + '{"question": "q", "choices": ["a"',
        "list.jsonl": "[1, 2]\n",
        "one_choice.jsonl": '{"question": "q", "choices": ["a"], "answer": 0}\n',
        "no_answer.jsonl": '{"question": "q", "choices": ["a", "b"], "answer": 2}\n',
        "twice.jsonl": QUESTION * 2,
        "nan.jsonl": '{"question": "q", "choices": ["a", "b"], "answer": NaN}\n',
        "surrogate.jsonl": '{"question": "\\ud800", "choices": ["a", "b"], "answer": 0}\n',
        "five.csv": "q,a,b,c,A\n",
        "headings.csv": "question,A,B,C,D,answer\nq,a,b,c,d,A\n",
        "quote.csv": 'q,a,b,c,"d"e,A\n',
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "copy.txt").write_text(texts["train.txt"], encoding="utf-8")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 4)
    (folder / "latin1.txt").write_bytes("große Wörter ".encode("latin-1") * 400)
    (folder / "utf16.txt").write_bytes("some words ".encode("utf-16") * 400)
    with (folder / "enormous.txt").open("wb") as file:
        file.truncate(1_000_000_001)  # a hole: it takes no room on the disk
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "link.txt").symlink_to("train.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
