"""Fuzzing what is typed: overrides, Snakemake's configuration, ``config.yaml``, jobs."""

from __future__ import annotations

from pathlib import Path

from fuzzing import ODD, fuzz, spoilt, spoilt_text
from hypothesis import strategies as st

from cayley_adapters.core.job import job_to_json
from cayley_adapters.pipeline.jobs import jobs
from cayley_adapters.pipeline.run import job_from_json
from cayley_adapters.settings import (
    compose,
    fields,
    from_snakemake_config,
    load_settings,
    parse_cli,
    split_overrides,
    validate,
)

KEYS = [*fields(), "model", "data", "compress", "control", "qpu", "questions", "experiment", "hydra.run.dir", "+x"]
VALID = [
    "train.steps=40 sweep.block_dim=2,4",
    "model=smollm2_135m,llama31_8b",
    "sweep.seed=range(3) run=mine",
    "qpu.text='a b'",
    "noise.layout=[[3,4],[7,8]]",
    "sweep.noise_scale=0,0.03,0.1",
    "evaluate.shots=[8192,inf]",
    "train.targets=[q_proj,v_proj]",
    "sweep.compression_ratio=choice(0.1,0.2)",
    "control=none",
    "train.learning_rate=1e-3 train.layers=[0,1]",
    "qpu=ibm qpu.backend=ibm_fez",
    "model=hub model.id=a/b model.revision=r",
    "noise=fake_fez,fake_boston train.steps=range(1,3)",
    "train.targets=[v_proj],[v_proj,o_proj] qpu=twin,ibm",
]
WORDS = [word for text in VALID for word in split_overrides(text)]
VALUES = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(ODD), max_size=4).map("".join), st.floats().map(str))
TYPED = st.one_of(st.sampled_from(WORDS), spoilt_text(WORDS), st.builds("{}={}".format, st.sampled_from(KEYS), VALUES))


def test_overrides() -> None:
    def read(words: list[str]) -> None:
        for settings in compose("ci", words):
            assert "HOME" not in (found := settings.to_yaml()) or "oc.env" in found
            load = validate(settings.model_dump(mode="json"))
            assert load == settings

    fuzz(
        "overrides",
        st.lists(TYPED, min_size=1, max_size=3),
        read,
        2000,
        [[WORDS[0]]],
    )


def test_words_of_a_command() -> None:
    fuzz("words of a command", st.lists(TYPED, max_size=4), lambda words: compose(*parse_cli(words)), 1000)


def test_snakemake_configuration() -> None:
    values = st.one_of(TYPED, st.none(), st.integers(), st.floats(), st.booleans(), st.lists(TYPED, max_size=2))
    keys = st.one_of(st.sampled_from(["experiment", "overrides"]), st.text(max_size=8), st.integers())
    whole = st.one_of(spoilt_text(VALID), st.sampled_from(VALID), TYPED)
    texts = st.fixed_dictionaries({"experiment": st.just("ci")}, optional={"overrides": whole})
    drawn = st.one_of(texts, texts, st.dictionaries(keys, values, max_size=3))
    valid = [{"experiment": "ci", "overrides": text} for text in VALID]
    fuzz("Snakemake's --config", drawn, from_snakemake_config, 1500, valid)


def test_frozen_configuration(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    samples = [compose(name)[0].to_yaml().encode() for name in ("ci", "quickstart", "paper_llama31_8b")]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        assert load_settings(path).to_yaml()

    fuzz("config.yaml", spoilt(samples), read, 1000, samples)


def test_jobs() -> None:
    samples = [job_to_json(job) for stage in ("train", "aggregate", "configure") for job in jobs(compose("ci"), stage)]

    def read(text: str) -> None:
        job_to_json(job_from_json(text))

    fuzz("jobs", spoilt_text(samples), read, 1500, samples)
