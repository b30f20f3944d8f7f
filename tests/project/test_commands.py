"""Commands in README and docs: each composes its configuration, and one that changes it names a run of its own."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from cayley_adapters.cli import _add_all, app
from cayley_adapters.cli.habits import refuse_habits
from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.feasibility import require_feasible
from cayley_adapters.pipeline.targets import require_target
from cayley_adapters.settings import compose, from_snakemake_config, parse_cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = ("train.txt", "test.txt", "corpus/a.txt", "held_out/a.jsonl")
PLACEHOLDERS = {"/path/to/model.gguf": "MODEL.gguf", "/path/to/model": "MODEL_FOLDER", "HASH": "abc", "ORG/NAME": "a/b"}
PLACES = re.compile(r"\b(NAME|PATH|FILE|FOLDER|KEY|TARGET|TAG|TEAM|IMAGE|BUCKET|ID|STAGE|worst_noise)\b|…|\.\.\.")
"""What stands for a reader's own; ``worst_noise`` is the stage that docs/extending.md adds."""
NO_CHANGE = ("track.", "store=", "experiment=")
SWITCHES = ("--dry-run", "-n", "--lint", "--forceall")
LOOKS_ONLY = ("estimate", "config", "chat", "compare", "verify", "store", "dashboard")
"""Commands that leave no results in a run's folder that another configuration could have left."""


def commands() -> list[tuple[str, str]]:
    """(page, command) of every line of a code block, and of code within a sentence, that calls one of the two tools."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        text = text[: text.index("## Typed wrongly")] if "## Typed wrongly" in text else text
        blocks = re.findall(r"^```(?:bash|text)?\n(.*?)^```$", text, re.S | re.M)
        lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
        text = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
        lines += [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
        for line in lines:
            line = re.sub(r"^\s*\$ ", "", line).split("  #")[0].strip()
            line = re.sub(r"^(\.venv/bin/|[A-Z_]+=\S+ )", "", line)
            if re.match(r"(cayley|snakemake) ", line):
                found.append((page.relative_to(ROOT).as_posix(), line))
    return sorted(set(found))


def filled(command: str) -> list[str]:
    """Its words with what stands for a reader's own."""
    for place, real in PLACEHOLDERS.items():
        command = command.replace(place, real)
    return shlex.split(command)


def is_pattern(command: str) -> bool:
    """Whether it says what to type rather than being it."""
    return bool(PLACES.search(re.sub("|".join(PLACEHOLDERS), "", command)))


@cache
def names() -> dict[str, tuple[str, ...]]:
    """Commands of ``cayley`` → those below each."""
    _add_all()
    known = typer.main.get_command(app)
    return {name: tuple(getattr(one, "commands", ())) for name, one in known.commands.items()}


@pytest.fixture
def work(tmp_path: Path, monkeypatch) -> Path:
    """A folder with the files that examples name."""
    enough = {name: f"{name}: a text that is long enough to be cut into windows\n\n" * 8000 for name in TEXTS}
    made = enough | {"MODEL_FOLDER/config.json": "{}", "MODEL.gguf": "GGUF"}
    made |= {name: json.dumps({"text": text}) for name, text in enough.items() if name.endswith("jsonl")}
    for name, text in made.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of_snakemake(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """What is to be made, and what ``--config`` gives; an option that is no switch takes the word after it."""
    start = words.index("--config") + 1 if "--config" in words else len(words)
    config = dict(word.split("=", 1) for word in words[start:])
    before = ["", *words[:start]]
    return [word for option, word in pairwise(before) if not_an_option(option, word)], config


def not_an_option(option: str, word: str) -> bool:
    """Whether a word is a target of Snakemake's, given the one before it."""
    return not word.startswith("-") and "=" not in word and (not option.startswith("-") or option in SWITCHES)


def of_cayley(words: list[str]) -> tuple[str, list[str], list[str]]:
    """Name, words before the overrides, and overrides."""
    name, *rest = [word for word in words if word != "--debug"]
    rest = rest[: rest.index("--")] if "--" in rest else rest
    return name, [word for word in rest if "=" not in word], [word for word in rest if re.match(r"[\w.]+=", word)]


@pytest.mark.parametrize(("page", "command"), [found for found in commands() if not is_pattern(found[1])])
def test_a_command_composes_its_configuration(page: str, command: str, work: Path) -> None:
    tool, *words = filled(command)
    if tool == "snakemake":
        targets, config = of_snakemake(words)
        for target in targets:
            require_target(target)
        for variant in from_snakemake_config(config):
            assert variant.run
        return
    if words[0].startswith("-") and words[0] != "--debug":
        return
    name, plain, overrides = of_cayley(words)
    assert name in names()
    if names()[name] and plain and not plain[0].startswith("-"):
        assert plain[0] in names()[name]
    if name == "run":
        refuse_habits(words)
        for target in [word for word in plain if not word.startswith("-") and word.isidentifier()]:
            require_target(target)
    if overrides:
        compose(*parse_cli(overrides))


def test_commands_are_found_and_few_are_patterns() -> None:
    every = commands()
    assert len(every) > 100
    assert sum(is_pattern(command) for _, command in every) < 10
    assert {"README.md", "docs/tutorial.md", "docs/howto/model.md", "docs/cluster.md"} <= {page for page, _ in every}


@pytest.mark.parametrize(("page", "command"), [found for found in commands() if not is_pattern(found[1])])
def test_a_command_that_changes_the_configuration_names_its_run(page: str, command: str) -> None:
    """Else it would stop before the results of another one."""
    tool, *words = filled(command)
    if tool == "snakemake":
        overrides = of_snakemake(words)[1].get("overrides", "").split()
    else:
        name, _, overrides = of_cayley(words)
        if name in LOOKS_ONLY:
            return
    changes = [word for word in overrides if not word.startswith(NO_CHANGE)]
    assert not changes or any(word.startswith(("run=", "replace=")) for word in changes)


@pytest.mark.parametrize("command", ["snakemake --cores 8 phase_diagrm", "cayley run phase_diagrm", "cayley trian"])
def test_a_misspelt_command_would_be_noticed(command: str, work: Path) -> None:
    with pytest.raises((CayleyError, AssertionError)):
        test_a_command_composes_its_configuration("", command, work)


def test_the_snakefile_names_its_runs() -> None:
    given = re.findall(r'overrides="([^"]*)"', (ROOT / "Snakefile").read_text(encoding="utf-8"))
    assert given
    assert [one for one in given if "run=" not in one] == []


def checked(words: list[str]) -> None:
    """What ``cayley run`` looks at before Snakemake starts, in its order."""
    refuse_habits(words)
    given = [word for word in words[1:] if "=" in word or "." in word]
    require_feasible(compose(*parse_cli(given)))
    for target in set(words[1:]) - set(given):
        require_target(target)


def wrong() -> list[tuple[str, str]]:
    """(what is typed, what is answered) of the page of questions."""
    text = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8").split("## Typed wrongly")[1]
    return re.findall(r"^\| `(cayley [^`]+)` \| `([^`]+)` \|$", text, re.M)


@pytest.mark.parametrize(("command", "answer"), wrong())
def test_what_is_typed_wrongly_is_answered_as_the_page_says(command: str, answer: str, work: Path) -> None:
    (work / "a.txt").write_text("a")
    with pytest.raises(CayleyError) as caught:
        checked(shlex.split(command)[1:])
    assert answer in str(caught.value)


def test_there_are_a_dozen_of_them() -> None:
    assert len(wrong()) == 12
