"""Overrides: how they are split, what a wrong one is answered, and that no text whatever does worse."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cayley_adapters.errors import CayleyError
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


WRONG = [
    ("train.stepz=4", ["unknown key 'train.stepz'", "did you mean 'train.steps'?"]),
    ("steps=4", ["did you mean 'train.steps'?"]),
    ("modell=smollm2_135m", ["unknown key 'modell'", "'model'"]),
    ("compress.ratio=0.2", ["did you mean 'sweep.compression_ratio'?"]),
    ("train.targets.0=v_proj", ["unknown key"]),
    ("qqqq=1", ["unknown key 'qqqq'", "known: ", "train.steps"]),
    ("model=smolm2_135m", ["unknown model", "did you mean 'smollm2_135m'?", "llama31_8b"]),
    ("model=", ["unknown model", "tiny_random"]),
    ("model=null", ["unknown model 'null'"]),
    ("model=[]", ["at least one value"]),
    ("model=smollm2_135m,lama31_8b", ["did you mean 'llama31_8b'?"]),
    ("model=smollm2_135m,smollm2_135m", ["smollm2_135m is given more than once"]),
    ("model=smollm2_135m,smollm2_360m model.name=x", ["x is given more than once"]),
    ("data=wikitext", ["did you mean 'wikitext2'?", "encyclopedia"]),
    ("noise=FakeFez", ["unknown noise", "fake_fez"]),
    ("train={steps:3}", ["unknown train", "default"]),
    ("train=default,default", ["'train' cannot be swept", "sweep.block_dim"]),
    ("train.steps=1,2", ["'train.steps' cannot be swept", "model, sweep.block_dim"]),
    ("evaluate.shots=8192,inf", ["cannot be swept", "evaluate.shots=[…]"]),
    ("train.steps=-3", ["train.steps=-3: must be", "between 0 and 10000000"]),
    ("train.steps=1.5", ["whole number"]),
    ("train.steps=true", ["train.steps=true", "whole number"]),
    ("train.steps=null", ["train.steps=null", "whole number"]),
    ("train.steps=many", ["train.steps=many", "whole number"]),
    ("train.steps={a:1}", ["train.steps=", "whole number"]),
    ("train.steps=1 train.steps=2", ["'train.steps' is given more than once"]),
    ("train.learning_rate=0", ["above 0 and at most 10"]),
    ("train.learning_rate=nan", ["above 0 and at most 10"]),
    ("train.distillation=1.1", ["between 0 and 1"]),
    ("train.readout=sign", ["one of signed, sign_constrained", "did you mean 'signed'?"]),
    ("train.threads=0", ["between 1 and 1024"]),
    ("train.targets=[]", ["at least one value"]),
    ("train.targets=[v_proj,v_proj]", ["v_proj more than once"]),
    ("compress.targets=[up_prj]", ["compress.targets=up_prj", "did you mean 'up_proj'?", "q_proj"]),
    ("compress.method=pca", ["one of none, mpo, svd, whitened_svd"]),
    ("compress.allocation=greedy", ["one of uniform, sensitivity"]),
    ("compress=mpo compress.allocation=sensitivity", ["compress.allocation=uniform"]),
    ("compress=none", ["sweep.compression_ratio=0"]),
    ("compress.ridge=-1e-9", ["between 0 and 1"]),
    ("data.window=7", ["between 8 and 32768"]),
    ("data.calibration_windows=0", ["between 1 and 100000"]),
    ("evaluate.windows=0", ["evaluate.windows=0", "between 1 and"]),
    ("evaluate.shots=[0]", ["or inf"]),
    ("evaluate.shots=[-inf]", ["or inf"]),
    ("evaluate.shots=[]", ["at least one value"]),
    ("evaluate.unlimited_shots_block_dims=[3]", ["power of two"]),
    ("sweep.block_dim=3", ["sweep.block_dim=3", "power of two", "2, 4, 8, 16, 32, 64"]),
    ("sweep.block_dim=128", ["power of two"]),
    ("sweep.block_dim=32", ["noisy circuits", "up to 16", "sweep.noise_scale=0"]),
    ("sweep.block_dim=2,2", ["2 more than once"]),
    ("sweep.block_dim=[]", ["at least one value"]),
    ("sweep.noise_scale=0,inf", ["between 0 and 1000"]),
    ("sweep.noise_scale=nan", ["between 0 and 1000"]),
    ("sweep.noise_scale=-0.1", ["between 0 and 1000"]),
    ("sweep.noise_scale=0,0.0", ["more than once"]),
    ("sweep.noise_scale=interval(0,1)", ["interval and glob are not possible", "a,b,c"]),
    ("sweep.compression_ratio=1", ["at least 0 and below 1"]),
    ("sweep.seed=-1", ["between 0 and 4294967295"]),
    ("sweep.seed=4294967296", ["between 0 and 4294967295"]),
    ("sweep.seed=range(5,5)", ["at least one value"]),
    ("sweep.seed=range(0,9,0)", ["cannot be expanded"]),
    ("sweep.seed=range(0,1000000000)", ["more than 1000 values"]),
    ("sweep.noise_scale=range(0.0,inf)", ["more than 1000 values"]),
    ("sweep.noise_scale=range(0.0,nan)", ["cannot be expanded"]),
    ("sweep.seed=shuffle(1,2)", ["shuffle is not possible"]),
    ("model=glob(*)", ["interval and glob are not possible"]),
    ("train.steps=interval(1,2)", ["cannot be swept"]),
    ("noise.layout=bets", ["median or best", "did you mean 'best'?"]),
    ("noise.layout=[1,1]", ["different qubits"]),
    ("noise.layout=[-1,2]", ["different qubits"]),
    ("noise.layout=[1]", ["block dimension 4 needs 2 qubits"]),
    ("noise.layout=[[0,1],[2,2]]", ["different qubits", "list of such lines"]),
    ("noise.layout=[[0,1],3]", ["list of such lines"]),
    ("noise.layout=[[0,1],[]]", ["list of such lines"]),
    ("noise.layout=[[0,1],[2]]", ["block dimension 4 needs 2 qubits"]),
    ("noise.idle=2", ["noise.idle"]),
    ("transpile.synthesis=qiskit", ["one of exact, noise_aware"]),
    ("transpile.noise_scale=0", ["above 0 and at most 1000"]),
    ("transpile.compared_blocks=-1", ["between 0 and 1000"]),
    ("train.ansatz=brick", ["one of full, brickwork", "did you mean 'brickwork'?"]),
    ("train.ansatz=brickwork", ["needs two qubits or more", "block dimension 2"]),
    ("train.brickwork_depth=0", ["between 1 and 64"]),
    ("train.noise_scale=-1", ["between 0 and 1000"]),
    ("evaluate.readout=signed", ["one of sign_constrained, characterised, ideal_sign"]),
    ("evaluate.mitigation=zne", ["one of none, readout, readout+depolarizing"]),
    ("evaluate.executor=qpu", ["one of noisy, aer"]),
    ("evaluate.executor=aer evaluate.readout=characterised", ["evaluate.executor=noisy"]),
    ("noise.backend=../x", ["letters, digits"]),
    ("qpu.shots=500 qpu.executions_per_job=400", ["one circuit's 500 shots", "400 executions"]),
    (
        "qpu.shots=10 qpu.executions_per_job=99 qpu.randomizations=100 qpu.twirl_gates=true",
        ["one circuit's 100 shots in 100 random versions", "99 executions"],
    ),
    ("run=a/b", ["run=a/b", "letter or digit"]),
    ("run=..", ["letter or digit"]),
    ("run=", ["letter or digit"]),
    ("run=null", ["letter or digit"]),
    ("run=???", ["letter or digit"]),
    ("run='a\nb'", ["letter or digit"]),
    ("track.mode=on", ["offline, online, disabled"]),
    ("model=local", ["model.path", "type model.path=…"]),
    ("model=local model.path=/no/such/folder", ["model.path=/no/such/folder", "not there"]),
    ("model=local model.path=[]", ["at least one value"]),
    ("model=local model.path=.,.", ["more than once"]),
    ("model=local model.path={a:1}", ["model.path"]),
    (f"model=local model.path={'x' * 5000}", ["not there"]),
    ("model.path=/a", ["only used with model=local"]),
    ("model.path=/a,/b", ["only possible with model=local"]),
    ("model.id=a/b", ["only used with model=hub"]),
    ("model=smollm2_135m model.seed=3", ["only used with model=tiny_random"]),
    ("model=hub", ["model.id", "type model.id=…", "model.revision"]),
    ("model=hub model.id=../b model.revision=r", ["hub id such as"]),
    ("model=hub model.id=a/b,c/d,e/f model.revision=r,s", ["model.revision", "2 values", "one or 3"]),
    ("data=text", ["data.train", "data.test"]),
    ("data=text data.train=no.txt data.test=nor.txt", ["data.train=no.txt", "data.test=nor.txt", "no such file"]),
    ("data.train=a.txt", ["only used with data=text"]),
    ("data.revision=abc", ["only used with data=wikitext2"]),
    ("train.steps", ["is no override", "key=value"]),
    ("train.steps = 5", ["is no override"]),
    ("=5", ["is no override"]),
    ("--train.steps=5", ["did you mean 'train.steps'?"]),
    ("+train.extra=5", ["neither added nor removed"]),
    ("++train.steps=5", ["neither added nor removed"]),
    ("~train", ["neither added nor removed"]),
    ("model@other=local", ["unknown key"]),
    ("hydra.run.dir=x", ["Hydra's own settings"]),
    ("hydra/launcher=basic", ["Hydra's own settings"]),
    ("+hydra.job.name=x", ["Hydra's own settings"]),
    ("experiment=ci", ["experiment is no override"]),
    ("run=${oc.env:HOME}", ["interpolation"]),
    ("run='${experiment}'", ["interpolation"]),
    ("data.train={_target_:os.system}", ["'_target_' is not allowed"]),
    ("_target_=os.system", ["'_target_' is not allowed"]),
    ("data.train=a~b", ["cannot be read", "data.train='…'"]),
    ("train.steps=int(x)", ["cannot be read"]),
    ("train.steps=" + "[" * 3000 + "]" * 3000, ["nested deeper"]),
    ("run=" + "[" * 150 + "]" * 150, ["nested deeper"]),
    ("train.steps=" + "9" * 5000, ["train.steps="]),
    ("run=" + "x" * 30000, ["longer than"]),
    ("train.steps=[1", ["closing ] is missing"]),
    ("run='x", ["closing ' is missing"]),
    ("run=x)", ["')' closes nothing"]),
]


@pytest.mark.parametrize(("overrides", "fragments"), WRONG, ids=[overrides[:40] for overrides, _ in WRONG])
def test_a_wrong_input_says_what_is_allowed(overrides: str, fragments: list[str]) -> None:
    text = message(overrides)
    assert [fragment for fragment in fragments if fragment not in text] == [], text
    assert len(text) < 2500


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
