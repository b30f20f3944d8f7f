"""Overrides: how they are split, what a wrong one is answered, and that no text whatever does worse."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.settings import compose, split_overrides


def message(overrides: str, experiment: str = "ci") -> str:
    with pytest.raises(CayleyError) as caught:
        compose(experiment, split_overrides(overrides))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("  a=1\t b=2\n", ["a=1", "b=2"]),
        ("a=[1, 2] b={x: 1}", ["a=[1, 2]", "b={x: 1}"]),
        ("a=range(0, 3) b='x y' c=\"p q\"", ["a=range(0, 3)", "b='x y'", 'c="p q"']),
        (r"a='it\'s here' b=x\ y", [r"a='it\'s here'", r"b=x\ y"]),
        ("a='[' b=2", ["a='['", "b=2"]),
    ],
)
def test_split_overrides(text: str, parts: list[str]) -> None:
    assert split_overrides(text) == parts


@pytest.mark.parametrize(
    ("overrides", "fragments"),
    [
        ("train.steps=" + "[" * 3000 + "]" * 3000, ["nested deeper"]),
        ("run=" + "[" * 150 + "]" * 150, ["nested deeper"]),
        ("train.steps=" + "9" * 5000, ["train.steps="]),
        ("run=" + "x" * 30000, ["longer than"]),
        (f"model=local model.path={'x' * 5000}", ["not there"]),
    ],
    ids=["nested", "nested-text", "digits", "long", "long-path"],
)
def test_an_enormous_value_is_answered_briefly(overrides: str, fragments: list[str]) -> None:
    text = message(overrides)
    assert [fragment for fragment in fragments if fragment not in text] == [], text
    assert len(text) < 2500


@pytest.mark.parametrize(
    "typed",
    [
        r"qpu.text=$\{oc.env\:CAYLEY_SECRET\}",
        r"qpu.text=str($\{oc.env\:CAYLEY_SECRET\})",
        r"questions.path=$\{oc.env\:CAYLEY_SECRET\}",
        r"data.train=[x,[$\{oc.env\:CAYLEY_SECRET\}]]",
        r"model.id=a,$\{oc.env\:CAYLEY_SECRET\}",
        "run=${oc.env:CAYLEY_SECRET}",
    ],
)
def test_an_override_cannot_read_the_environment(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAYLEY_SECRET", "a-marker-of-the-environment")
    with pytest.raises(CayleyError, match="interpolation") as caught:
        compose("ci", [typed])
    assert "a-marker" not in str(caught.value)


def test_all_mistakes_come_in_one_message_one_a_line() -> None:
    text = message("train.steps=-3 sweep.block_dim=3 track.mode=on")
    assert [line.partition("=")[0] for line in text.splitlines()] == ["train.steps", "sweep.block_dim", "track.mode"]
    assert len(message("a.b=1 model=nope run=${x}").splitlines()) == 3


@given(st.text(max_size=60))
def test_splitting_any_text_keeps_it_or_is_a_plain_error(text: str) -> None:
    try:
        parts = split_overrides(text)
    except CayleyError:
        return
    assert all(parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert split_overrides(" ".join(parts)) == parts or text.endswith("\\")


KEYS = ["train.steps", "run", "model", "model.path", "data.train", "sweep.seed", "sweep.noise_scale", "noise.layout"]
PIECES = [
    "1",
    "0",
    "-",
    ".",
    ",",
    "e9",
    "inf",
    "nan",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "range(",
    "choice(",
    "tag(",
    "a:1",
    "'",
    '"',
]
PIECES += [
    "\\",
    "$",
    "${x}",
    "???",
    "null",
    "true",
    "~",
    "@",
    "smollm2_135m",
    "local",
    " ",
    "\n",
    "é",
    "\0",
    "/",
    "int(",
    "sort(",
]
VALUES = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
FITTING = st.one_of(
    st.integers(-1, 70).map("train.steps={}".format),
    st.lists(st.sampled_from(["0", "1", "2", "4", "8", "16", "0.5"]), min_size=1, max_size=3).map(
        lambda values: f"sweep.noise_scale={','.join(values)}"
    ),
    st.sampled_from(
        ["model=smollm2_135m,llama31_8b", "sweep.seed=range(3)", "noise.layout=[1,2]", "sweep.block_dim=2,16"]
    ),
    st.text("abcdefgh.-_/0123456789+", max_size=8).map("run={}".format),
)
OVERRIDES = st.one_of(FITTING, VALUES, st.builds("{}={}".format, st.sampled_from(KEYS), VALUES))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.lists(FITTING, max_size=3), st.lists(OVERRIDES, max_size=2)))
def test_any_override_composes_or_is_a_plain_error(overrides: list[str]) -> None:
    with contextlib.suppress(CayleyError):
        assert all(item.to_yaml() for item in compose("ci", overrides))
