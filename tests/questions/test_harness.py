"""Tasks of lm-evaluation-harness, through its own loader, from local files; and what it says without a network."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest

from cayley_adapters.core.errors import CayleyError
from cayley_adapters.pipeline.fingerprint import reached
from cayley_adapters.questions.benchmarks.tasks import PANEL, find_tasks, manager_of, task_files
from cayley_adapters.questions.harness import harness_questions
from cayley_adapters.questions.items import prompted
from cayley_adapters.questions.scoring import encode_set, log_likelihoods
from cayley_adapters.questions.tables import Marked

TASK = """task: small_mmlu
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: multiple_choice
description: "The following are multiple choice questions (with answers) about small things.\\n\\n"
doc_to_text: "{text}"
doc_to_choice: {choices}
doc_to_target: answer
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
  - metric: acc_norm
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
LETTERS = (
    r"{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
    '["A", "B", "C", "D"]',
)
CLOZE = (r"Question: {{question}}\nAnswer:", "choices")


@pytest.fixture(params=[LETTERS, CLOZE], ids=["letters", "cloze"])
def folder(request, tmp_path, monkeypatch):
    """A task file of the same making as MMLU's, with data of its own."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    words = ["amber", "a brass bell", "cedar", "denim trousers", "ebony", "flax"]
    rows = [
        {"question": f"Which of number {n}? ", "choices": [words[(n + k) % 6] for k in range(4)], "answer": n % 4}
        for n in range(6)
    ]
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "tasks").mkdir()
    text, choices = request.param
    task = TASK.format(data=data, text=text, choices=choices)
    (tmp_path / "tasks" / "small_mmlu.yaml").write_text(task, encoding="utf-8")
    return tmp_path / "tasks"


def test_prompts_and_choices_are_the_harness_own(folder, raw_items):
    questions = harness_questions("small_mmlu", folder)
    assert (questions.name, len(questions.items)) == ("small_mmlu", 6)
    first = questions.items[1]
    assert (first.id, first.question, first.answer) == ("small_mmlu/1", "Which of number 1?", 1)
    assert first.choices == ("a brass bell", "cedar", "denim trousers", "ebony")
    head = "The following are multiple choice questions (with answers) about small things.\n\n"
    letters = first.continuations == (" A", " B", " C", " D")
    if letters:  # our own form of letters is that of MMLU
        assert first.prompt == head + prompted(first, "letters").prompt
        assert first.lengths == (1, 1, 1, 1)
    else:
        assert first.continuations == tuple(f" {choice}" for choice in first.choices)
        assert first.lengths == tuple(map(len, first.choices))


def test_scoring_agrees_with_the_harness_from_end_to_end(folder, tiny_model, tokenizer):
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = tiny_model.double()
    results = simple_evaluate(
        model=HFLM(pretrained=model, tokenizer=tokenizer),
        tasks=["small_mmlu"],
        task_manager=TaskManager(include_path=folder, include_defaults=False),
        log_samples=True,
        bootstrap_iters=0,
    )
    items = harness_questions("small_mmlu", folder).items
    found = log_likelihoods(model, encode_set(tokenizer, items, None), 512)
    for sample in results["samples"]["small_mmlu"]:
        expected = [value for value, _ in sample["filtered_resps"]]
        np.testing.assert_allclose(found[sample["doc_id"]], np.array(expected, dtype=float), atol=1e-9)
    marked = Marked(items, found[None])
    assert results["results"]["small_mmlu"]["acc,none"] == pytest.approx(marked.right.mean())
    assert results["results"]["small_mmlu"]["acc_norm,none"] == pytest.approx(marked.right_norm.mean())


def test_mmlu_without_a_network_says_what_to_do(monkeypatch, tmp_path):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(CayleyError, match=r"mmlu_anatomy: could not fetch its data.*\n.*questions=encyclopedia"):
        harness_questions("mmlu_anatomy")


def test_the_papers_panel_is_known_and_refused_with_what_fetches_it():
    from cayley_adapters.pipeline.feasibility import require_tasks
    from cayley_adapters.settings import compose

    settings = compose("ci", ["benchmarks=paper"])
    (paper,) = [item.benchmarks for item in settings]
    assert set(paper.tasks) <= set(manager_of(paper.tasks).all_tasks)
    with pytest.raises(CayleyError) as refused:
        require_tasks(settings)
    assert re.search(r"benchmarks\.tasks=\[\w+\]: its data is not on this machine", str(refused.value))
    command = re.search(r'python -c "(.*?)"', str(refused.value))[1]
    (name,) = re.findall(r"load\(\['(\w+)'\]\)", command)
    assert name in paper.tasks
    compile(command, "command", "exec")


def test_an_unknown_benchmark_is_answered_with_the_nearest():
    with pytest.raises(CayleyError, match=r"no such task or group; did you mean 'encyclopedia_words'"):
        find_tasks(["encyclopedia_word"])


def test_tasks_in_a_folder_of_ones_own_stand_beside_the_embedded(folder):
    found = find_tasks(["small_mmlu", "sums_of_two"], [str(folder)])
    assert list(found["tasks"]) == ["small_mmlu", "sums_of_two"]
    assert "small_mmlu.yaml" in {path.name for path in task_files([str(folder)])}


def test_the_embedded_tasks_are_code_and_no_files_of_ones_own():
    """As files they would be others wherever the package lies, and all benchmarks be asked again."""
    assert task_files([]) == []
    panel = {path.name for path in PANEL.iterdir()}
    assert panel <= {name.rpartition("/")[2] for name in reached("stages.ask_benchmarks")}


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(CayleyError, match=r"no such task; did you mean 'mmlu"):
        harness_questions("mmluu")


def test_tasks_of_another_kind_are_refused_by_name(folder):
    path = folder / "small_mmlu.yaml"
    text = path.read_text(encoding="utf-8").replace("output_type: multiple_choice", "output_type: loglikelihood")
    path.write_text(text[: text.index("metric_list")] + "metric_list:\n  - metric: acc\n", encoding="utf-8")
    with pytest.raises(CayleyError, match="small_mmlu asks for loglikelihood"):
        harness_questions("small_mmlu", folder)


def test_without_the_harness_its_installation_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.tasks", None)
    with pytest.raises(CayleyError, match="pip install"):
        harness_questions("mmlu")
