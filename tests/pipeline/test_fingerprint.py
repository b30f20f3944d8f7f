"""What an edit of the library touches."""

from __future__ import annotations

import shutil

import pytest

from cayley_adapters.pipeline.fingerprint import ROOT, fingerprint, imported_modules
from cayley_adapters.pipeline.table import STAGES

PICTURES = {"phase_diagram", "scaling", "recovery", "entanglement", "questions", "compare_models", "levers"}
LEVERS_TRAINED = {"lever_survey", "lever_train"}
LEVERS_EVALUATED = {"lever_rank", "lever_evaluate"}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy that tests may edit and must put right again: most of its files are then parsed once."""
    folder = tmp_path_factory.mktemp("package") / "p"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def touched(package, module: str, addition: str) -> set[str]:
    """The stages whose fingerprint changes when ``addition`` is appended to a module."""
    before = {stage: fingerprint(f"stages.{stage}", package) for stage in STAGES}
    text = (package / module).read_text(encoding="utf-8")
    (package / module).write_text(text + addition, encoding="utf-8")
    after = {stage: fingerprint(f"stages.{stage}", package) for stage in STAGES}
    (package / module).write_text(text, encoding="utf-8")
    return {stage for stage in STAGES if after[stage] != before[stage]}


def test_an_edit_touches_the_stages_that_import_it(package):
    assert touched(package, "simulator.py", "\nEDITED = 1\n") == {
        *("evaluate", "answer_questions", "qpu_evaluate"),
        *LEVERS_EVALUATED,
    }


def test_training_code_touches_training_only(package):
    assert touched(package, "training/loop.py", "\nEDITED = 1\n") == {
        *("train", "control", "qpu_train"),
        *LEVERS_TRAINED,
    }
    assert touched(package, "training/distillation.py", "\nEDITED = 1\n") == {
        "teacher",
        "train",
        "control",
        "qpu_train",
        *LEVERS_TRAINED,
    }
    stages = {"control", "evaluate_control", "answer_questions"}
    assert touched(package, "training/controls.py", "\nEDITED = 1\n") == stages


def test_evaluation_code_touches_evaluations_only(package):
    stages = {"reference", "baseline", "evaluate", "evaluate_control", "qpu_evaluate", *LEVERS_EVALUATED}
    assert touched(package, "evaluation.py", "\nEDITED = 1\n") == stages


def test_what_sends_jobs_touches_no_plan(package):
    assert touched(package, "qpu/submission.py", "\nEDITED = 1\n") == {"qpu_submit", "qpu_collect"}
    assert touched(package, "qpu_lines_plot.py", "\nEDITED = 1\n") == {"qpu_plan"}


def test_figures_touch_the_picture_only(package):
    assert touched(package, "plots.py", "\nEDITED = 1\n") == PICTURES


def test_entanglement_code_touches_its_stage_only(package):
    for module in ("entanglement", "entanglement_tables", "entanglement_plot"):
        assert touched(package, f"{module}.py", "\nEDITED = 1\n") == {"entanglement"}


def test_charts_touch_the_report_too(package):
    assert touched(package, "charts.py", "\nEDITED = 1\n") == {*PICTURES, "report"}


def test_templates_and_styles_count(package):
    for name in ("report.html.j2", "report.css", "report.js"):
        assert touched(package, f"report/{name}", "\n") == {"report"}


def test_what_is_shown_online_touches_no_result(package):
    assert touched(package, "dashboard.py", "\nEDITED = 1\n") == {"dashboard"}
    assert touched(package, "cell_runs.py", "\nEDITED = 1\n") == {"phase_diagram", "dashboard"}


def test_question_code_touches_questions_only(package):
    assert touched(package, "questions/scoring.py", "\nEDITED = 1\n") == {"answer_questions", "questions"}
    assert touched(package, "questions/encyclopedia.py", "\nEDITED = 1\n") == {"question_set"}
    assert touched(package, "questions/plot.py", "\nEDITED = 1\n") == {"questions"}


def test_comments_and_docstrings_touch_nothing(package):
    assert touched(package, "simulator.py", "\n# a comment\n") == set()
    path = package / "executors.py"
    before = fingerprint("stages.evaluate", package)
    path.write_text(path.read_text().replace("Relative frequencies of multinomial samples.", "Other words."))
    assert fingerprint("stages.evaluate", package) == before


def test_docstrings_of_names_touch_nothing_and_their_values_do(package):
    path = package / "simulator.py"
    text, found = path.read_text(), []
    for addition in ('NAME = 1\n"""One."""\n', 'NAME = 1\n"""Two."""\n', 'NAME = "One."\n', 'NAME = "Two."\n'):
        path.write_text(text + addition)
        found.append(fingerprint("stages.evaluate", package))
    path.write_text(text)
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_imports_inside_functions_count():
    assert "synthesis" in imported_modules("simulator")
