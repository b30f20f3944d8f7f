"""Files under ``results/`` that are cut, foreign or garbage: a later stage says which, and changes nothing."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from windows import windows_of

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.core.tables import BASELINE_COLUMNS, CELL_COLUMNS, IDENTITY_COLUMNS, write_table
from cayley_adapters.models.windows import save_windows
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.locks import hold_alone
from cayley_adapters.pipeline.replacing import claim
from cayley_adapters.pipeline.store import place_links
from cayley_adapters.pipeline.variants import variants
from cayley_adapters.qpu.ledger import Ledger
from cayley_adapters.settings import compose

WORDS = ("experiment=ci", "control=none", "sweep.block_dim=2", "train.distillation=0")
BASE = Path("results/ci")
[AGGREGATE] = jobs(compose("ci", WORDS[1:]), "aggregate")
[COMPRESS] = jobs(compose("ci", WORDS[1:]), "compress")
[CELLS], [ROW], [REFERENCE], [ADAPTER] = (AGGREGATE.inputs[name] for name in ("cells", "rows", "reference", "adapters"))
[TOKENS], [MODEL] = (COMPRESS.inputs[name] for name in ("tokens", "model"))
[IDENTITY] = AGGREGATE.inputs["identities"]
LEDGER = BASE / "qpu/ledger.sqlite"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with what ``aggregate``, ``compress`` and ``qpu status`` read."""
    cell = {"compression_ratio": 0.3, "block_dim": 2, "qubits": 1, "seed": 0, "shots": 8192, "adapter_parameters": 4}
    measured = {"model": "m", "tokens": 62, "nll": 5.5, "nll_se": 0.1, "perplexity": math.exp(5.5)}
    rows = [cell | measured | {"noise_scale": scale, "readout": "sign_constrained"} for scale in (0.0, 1.0)]
    write_table(rows, tmp_path / CELLS, CELL_COLUMNS)
    write_table(rows, tmp_path / IDENTITY, IDENTITY_COLUMNS)
    row = measured | {"compression": "svd", "compression_ratio": 0.3, "method": "compressed", "adapter_parameters": 0}
    write_table([row], tmp_path / ROW, BASELINE_COLUMNS)
    plain = row | {"compression_ratio": 0.0, "method": "uncompressed"}
    write_table([plain], tmp_path / REFERENCE, BASELINE_COLUMNS)
    adapter = tmp_path / ADAPTER
    adapter.parent.mkdir(parents=True)
    adapter.write_bytes(b"not read here")
    (tmp_path / TOKENS).parent.mkdir(parents=True)
    windows = windows_of(np.ones((8, 32), dtype=np.int32))
    save_windows(dict.fromkeys(("calibration", "train", "test"), windows), tmp_path / TOKENS)
    model = {"name": "t", "source": "random", "id": None, "revision": None, "path": None, "seed": 0, "dtype": "float32"}
    (tmp_path / MODEL).write_text(json.dumps(model))
    ledger = Ledger(tmp_path / LEDGER)
    with ledger.writing():
        ledger.plan("key", "a job", "digest", "[]", 1.0)
    ledger.close()
    (tmp_path / BASE / ".lock").touch()  # as every command leaves it
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        found = variants(compose("ci", WORDS[1:])).values()
        claim(found)
        place_links(found, lambda job: True)
        with hold_alone(COMPRESS):
            pass
    return tmp_path


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        assert old in content
        return content.replace(old, new, 1)

    return damage


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(len(content) * share)]


def garbage(content: bytes) -> bytes:
    return np.random.default_rng(0).bytes(len(content))


CSV = {
    "empty": (CELLS, lambda _: b"", ["cut short"]),
    "cut in a row": (CELLS, cut(0.9), ["cut short"]),
    "a row with fewer values": (
        CELLS,
        lambda content: content.replace(b",,,,,,,\n", b",\n"),
        ["line 2 has", "values for"],
    ),
    "no rows": (CELLS, lambda content: content.splitlines(keepends=True)[0], ["no rows"]),
    "no number": (CELLS, replaced(b",5.5,", b",NaN,"), ["nll is 'NaN' in line 2", "a number is needed"]),
    "a loss that is missing": (CELLS, replaced(b",5.5,", b",,"), ["nll", "line 2"]),
    "an infinite loss": (CELLS, replaced(b",5.5,", b",inf,"), ["nll is 'inf' in line 2"]),
    "a word for a number": (CELLS, replaced(b",62,", b",many,"), ["tokens is 'many' in line 2"]),
    "another column": (CELLS, replaced(b"nll_se", b"error"), ["no column nll_se"]),
    "a column twice": (CELLS, replaced(b"nll_se", b"nll"), ["two columns of one name"]),
    "another cell": (CELLS, lambda content: content.replace(b",2,1,", b",4,2,"), ["block_dim 4", "the folder says 2"]),
    "another table": (CELLS, lambda _: b"a,b\n1,2\n", ["no column model"]),
    "garbage": (CELLS, garbage, ["cannot read"]),
    "NUL": (CELLS, replaced(b"5.5", b"\0\0\0"), ["cut short, or no text"]),
    "a baseline cut": (ROW, cut(0.5), ["cut short"]),
    "a baseline without a number": (ROW, replaced(b"5.5", b"x"), ["nll is 'x'"]),
}


@pytest.mark.parametrize(("path", "damage", "fragments"), CSV.values(), ids=CSV)
def test_a_damaged_table(path: Path, damage, fragments: list[str], results: Path, refused: Callable[..., str]) -> None:
    file = results / path
    file.write_bytes(damage(file.read_bytes()))
    text = refused(results, "aggregate", *WORDS)
    wanted = [str(path), "delete it and run the same command again", *fragments]
    assert [fragment for fragment in wanted if fragment not in text] == [], text


def test_whole_tables_are_gathered(results: Path, monkeypatch) -> None:
    from cayley_adapters.settings.schema import partial
    from cayley_adapters.stages.aggregate import run

    monkeypatch.chdir(results)
    run(AGGREGATE, partial(AGGREGATE.leaves))
    assert len((results / BASE / "phase_diagram.csv").read_text().splitlines()) == 3


TENSORS = {
    "empty": lambda _: b"",
    "cut": cut(0.7),
    "garbage": garbage,
    "a length that lies": lambda content: b"\xff" * 8 + content[8:],
    "other names": replaced(b"calibration.tokens", b"calibration.tukens"),
    "another shape": replaced(b'"shape":[8,32]', b'"shape":[32,8]'),
}


@pytest.mark.parametrize("damage", TENSORS.values(), ids=TENSORS)
def test_damaged_windows(damage, results: Path, refused: Callable[..., str]) -> None:
    file = results / TOKENS
    file.write_bytes(damage(file.read_bytes()))
    text = refused(results, "compress", *WORDS)
    assert str(TOKENS) in text
    assert "delete it and run the same command again" in text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"source": "pickle"}', b"\xff", b"[" * 100_000, b"NaN"])
def test_a_damaged_description_of_the_model(content: bytes, results: Path, refused: Callable[..., str]) -> None:
    (results / MODEL).write_bytes(content)
    text = refused(results, "compress", *WORDS)
    assert "model.json" in text
    assert "delete it and run the same command again" in text


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"ratios": []}', '{"ratios": [{"blocks": 3}]}', "NaN", "1" * 5000]
)
def test_a_damaged_transition(content: str, results: Path) -> None:
    from cayley_adapters.analysis.transition_table import load_transition

    (results / "transition.json").write_text(content)
    with pytest.raises(CayleyError, match=r"transition\.json.*delete it and run the same command again"):
        load_transition(results / "transition.json")


def statement(*texts: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with sqlite3.connect(path) as database:
            for text in texts:
                database.execute(text)
        database.close()

    return change


def written(damage: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(damage(path.read_bytes())) and None


LEDGERS = {
    "emptied": (written(lambda _: b""), ["it is empty, and was not"]),
    "text": (written(lambda _: b"not a database at all, and long enough to be one" * 100), ["damaged or not a ledger"]),
    "cut": (written(cut(0.5)), ["damaged or not a ledger"]),
    "garbage": (written(garbage), ["damaged or not a ledger"]),
    "another program's": (statement("PRAGMA application_id = 7"), ["another program's database"]),
    "a later version's": (
        statement("PRAGMA user_version = 99"),
        ["schema version 99", "use the version that wrote it"],
    ),
    "without a table": (statement("DROP TABLE event"), ["its tables are not those of version 2"]),
    "with another table": (statement("ALTER TABLE attempt ADD COLUMN more TEXT"), ["its tables are not those"]),
    "in a state that is none": (statement("UPDATE attempt SET state = 'sent'"), ["unknown state 'sent'"]),
    "no text": (statement("UPDATE work SET label = CAST(x'ff00' AS TEXT)"), ["damaged or not a ledger"]),
    "nobody's": (statement("DELETE FROM about"), ["which ledger it is"]),
    "a row of nothing": (
        statement("PRAGMA foreign_keys = OFF", "UPDATE attempt SET key = 'x'"),
        ["belong to no other"],
    ),
}


@pytest.mark.parametrize(("damage", "fragments"), LEDGERS.values(), ids=LEDGERS)
def test_a_damaged_ledger_is_kept_and_nothing_is_sent(damage, fragments: list[str], results: Path, refused) -> None:
    damage(results / LEDGER)
    for command in (["qpu", "status"], ["qpu", "resolve", "tag", "--resubmit"]):
        text = refused(results, *command, *WORDS)
        assert [fragment for fragment in [str(LEDGER), "nothing was sent", *fragments] if fragment not in text] == [], (
            text
        )


@pytest.mark.parametrize("tag", ["nope", "", "%", "\udcff", "a\0b", "x" * 100_000, "'; DROP TABLE attempt; --", "√"])
def test_a_tag_that_is_none(tag: str, results: Path) -> None:
    ledger = Ledger(results / LEDGER)
    with pytest.raises(CayleyError, match=r"has no tag '.*`cayley qpu status[^`]*` lists them"):
        ledger.attempt(tag)
    ledger.close()
