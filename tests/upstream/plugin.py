"""What turns PEFT's own tests into tests of Cayley adapters; loaded into pytest by ``run.py``."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import cayley_adapters  # noqa: F401 - makes the method known to PEFT
from cayley_adapters.adapters.cayley.config import CayleyConfig

NAMES = {"cayley": "CayleyConfig", "lora": "LoraConfig", "oft": "OFTConfig"}
OTHERS = ("LoraConfig", "OFTConfig")
CONTROLS = 4
"""Cases of each of the others: PEFT has dozens of LoRA's variants, which say nothing of rotations."""

MLP = "Vanilla MLP"
CASES = [
    ("Vanilla MLP 1 Cayley", "MLP", CayleyConfig, {"target_modules": "lin0", "block_dim": 2}),
    ("Vanilla MLP 2 Cayley", "MLP", CayleyConfig, {"target_modules": ["lin0"], "block_dim": 2}),
    ("Vanilla MLP 3 Cayley", "MLP", CayleyConfig, {"target_modules": ["lin1"]}),
    ("Vanilla MLP 4 Cayley", "MLP", CayleyConfig, {"target_modules": ["lin0", "lin1"], "block_dim": 2}),
    (
        "Vanilla MLP 5 Cayley",
        "MLP",
        CayleyConfig,
        {"target_modules": ["lin0"], "modules_to_save": ["lin1"], "block_dim": 2},
    ),
    (
        "Vanilla MLP 6 Cayley sizes",
        "MLP",
        CayleyConfig,
        {"target_modules": ["lin0", "lin1"], "block_dim_pattern": {"lin0": 2}},
    ),
    ("Vanilla MLP 7 Cayley brickwork", "MLP", CayleyConfig, {"target_modules": ["lin1"], "ansatz": "brickwork"}),
    ("MLP2 Cayley", "MLP2", CayleyConfig, {"target_modules": ["lin1"], "block_dim": 16}),
    ("MHA 1 Cayley", "MHA", CayleyConfig, {"target_modules": ["mha"], "block_dim": 2}),
    ("MHA 2 Cayley", "MHA", CayleyConfig, {"target_modules": ["mha", "lin0"], "block_dim": 2}),
]
SEVERAL = [
    ("Cayley Same", "cayley", CayleyConfig, *[{"target_modules": ["lin0"], "init_weights": False, "block_dim": 2}] * 2),
    (
        "Cayley Different",
        "cayley",
        CayleyConfig,
        {"target_modules": ["lin0"], "init_weights": False, "block_dim": 2},
        {"target_modules": ["lin1"], "init_weights": False, "block_dim": 4},
    ),
]


def of_task(task: str) -> list[tuple]:
    return [(CayleyConfig, {"task_type": task, "target_modules": None})]


ADDED = {
    "TEST_CASES": CASES,
    "MULTIPLE_ACTIVE_ADAPTERS_TEST_CASES": SEVERAL,
    "ALL_CONFIGS": None,
    "TOKEN_CLS_CONFIGS": of_task("TOKEN_CLS"),
    "QA_CONFIGS": of_task("QUESTION_ANS"),
}
TASKS = {"test_decoder_models": "CAUSAL_LM", "test_seq_classifier": "SEQ_CLS"}


class Everything(dict):
    """PEFT's memory of which models it has seen; it turns the hub on for others, which there are none of here."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: object) -> int:
        return 0


class CayleyInPlaceOfLora(CayleyConfig):
    """Takes the words of ``LoraConfig`` that say where, and leaves those out that say what."""

    def __init__(self, *args: object, **words: object) -> None:
        if args:
            raise TypeError("PEFT's tests give no positional arguments")
        if "init_lora_weights" in words:
            words["init_weights"] = words["init_lora_weights"] is not False
        known = CayleyConfig.__dataclass_fields__
        given = {name: value for name, value in words.items() if name in known}
        super().__init__(**({"block_dim": 2} | given))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--in-place-of-lora", choices=["cayley", "lora"], help="files written for LoRA, with this method")
    parser.addoption("--method", choices=list(NAMES), help="only this one")


def pytest_configure(config: pytest.Config) -> None:
    """What PEFT's files import, and only tests of image models use."""
    diffusers = ModuleType("diffusers")
    diffusers.StableDiffusionPipeline = diffusers.StableDiffusionXLPipeline = type("NoPipeline", (), {})
    sys.modules.setdefault("diffusers", diffusers)


def pytest_collectstart(collector: pytest.Collector) -> None:
    if not isinstance(collector, pytest.Module):
        return
    module = collector.obj
    if utilities := sys.modules.get("tests.testing_utils"):
        utilities._HUB_MODEL_ACCESSES = Everything()
    if (common := sys.modules.get("tests.testing_common")) and not hasattr(common, "_cayley"):
        common._cayley, skip = True, common._skip_if_conv1d_not_supported
        common._skip_if_conv1d_not_supported = lambda model, method, options: (
            None if method is CayleyConfig else skip(model, method, options)  # which takes GPT-2's projections
        )
    if collector.config.getoption("--in-place-of-lora") == "cayley":
        module.LoraConfig = CayleyInPlaceOfLora
    for name, cases in ADDED.items():
        listed = getattr(module, name, None)
        if isinstance(listed, list) and listed and not any(CayleyConfig in case for case in listed):
            ours = cases or of_task(TASKS[module.__name__.rpartition(".")[2]])
            listed[:] = [*controls(listed, min(CONTROLS, len(ours))), *ours]


def controls(cases: list[tuple], count: int) -> list[tuple]:
    """The first cases of LoRA and of OFT: what fails there as well fails for another reason than the method."""
    named = [[case for case in cases if any(getattr(item, "__name__", "") == name for item in case)] for name in OTHERS]
    return [case for group in named for case in group[:count]]


def method_of(item_id: str, config: pytest.Config) -> str | None:
    """Which method a test is of."""
    if in_place := config.getoption("--in-place-of-lora"):
        return in_place
    return next((name for name, config_class in NAMES.items() if f"{config_class}-" in item_id), None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave other methods out, and mark what must fail."""
    only = config.getoption("--method")
    chosen = [item for item in items if (method := method_of(item.nodeid, config)) and only in (None, method)]
    items[:] = chosen
    expected = yaml.safe_load((Path(__file__).parent / "expected.yaml").read_text(encoding="utf-8"))
    for item in items:
        method = method_of(item.nodeid, config)
        for entry in expected:
            if method in entry["methods"] and re.search(entry["tests"], item.nodeid):
                item.add_marker(pytest.mark.xfail(reason=entry["why"], strict=True))
                break


class Table:
    """How many tests of each file and method passed, failed as expected, were skipped, and failed."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.rows = config, {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            row = Path(report.nodeid.partition("::")[0]).stem, str(method_of(report.nodeid, self.config))
            kind = "expected" if hasattr(report, "wasxfail") and report.skipped else report.outcome
            self.rows.setdefault(row, Counter())[kind] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.write_line(
            f"\n{'file':32}{'method':8}{'passed':>8}{'expected':>10}{'skipped':>9}{'failed':>8}"
        )
        for (name, method), kinds in sorted(self.rows.items()):
            counts = [kinds[kind] for kind in ("passed", "expected", "skipped", "failed")]
            terminalreporter.write_line("{:32}{:8}{:8}{:10}{:9}{:8}".format(name, method, *counts))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Table(session.config))
