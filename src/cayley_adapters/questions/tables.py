"""What the answers of several arms to one set of questions say, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cayley_adapters.questions.items import Item, QuestionSet
from cayley_adapters.questions.sampling import choice_probabilities, draw_choices
from cayley_adapters.questions.scoring import answers
from cayley_adapters.questions.statistics import wilson

__all__ = ["ARM_COLUMNS", "SAMPLE_COLUMNS", "TABLE_COLUMNS", "TEXT_COLUMNS", "Marked", "flips", "samples", "table"]

ARM_COLUMNS = [
    *("arm", "method", "model", "compression_ratio", "block_dim"),
    *("noise_scale", "readout", "shots", "adapter_parameters", "backend", "mitigation"),
]
TABLE_COLUMNS = [
    *ARM_COLUMNS,
    *("question_set", "question_set_version", "format", "questions", "chance"),
    *("correct", "accuracy", "accuracy_ci95_low", "accuracy_ci95_high"),
    *("correct_norm", "acc_norm", "acc_norm_ci95_low", "acc_norm_ci95_high"),
]
TEXT_COLUMNS = ["arm", "number", "temperature", "draw", "text"]
SAMPLE_COLUMNS = [
    *("arm", "number", "id", "question", "temperature", "kind", "draw", "text", "right"),
    *("probability", "draws", "share"),
]


class Marked:
    """The answers of all arms, marked.

    Attributes:
        log_likelihood: ``(arms, questions, choices)`` nats.
        given: ``(arms, questions)`` the choice of each arm: the one with the highest log-likelihood.
        right, right_norm: ``(arms, questions)`` whether it is the right one; for ``right_norm`` the choice with the
            highest log-likelihood a character is taken.
    """

    def __init__(self, items: Sequence[Item], log_likelihood: np.ndarray) -> None:
        lengths = np.full(log_likelihood.shape[1:], np.nan)
        for row, item in zip(lengths, items, strict=True):
            row[: len(item.lengths)] = item.lengths
        key = np.array([item.answer for item in items])
        self.log_likelihood = log_likelihood
        self.given = np.stack([answers(arm) for arm in log_likelihood])
        self.right = self.given == key
        self.right_norm = np.stack([answers(arm, lengths) for arm in log_likelihood]) == key


def table(arms: pd.DataFrame, questions: QuestionSet, form: str | None, marked: Marked) -> pd.DataFrame:
    """Accuracy of each arm with Wilson's 95 % intervals, and what chance would give.

    ``accuracy`` is ``acc`` of lm-evaluation-harness, and ``acc_norm`` its namesake.
    """
    count = len(questions.items)
    about = {
        "question_set": questions.name,
        "question_set_version": questions.version,
        "format": form or "the task's own",
        "questions": count,
        "chance": float(np.mean([1 / len(item.choices) for item in questions.items])),
    }
    rows = []
    for arm, right, right_norm in zip(arms.to_dict("records"), marked.right, marked.right_norm, strict=True):
        row = {**arm, **about}
        for total, name, marks in (("correct", "accuracy", right), ("correct_norm", "acc_norm", right_norm)):
            correct = int(marks.sum())
            low, high = wilson(correct, count)
            row |= {total: correct, name: correct / count, f"{name}_ci95_low": low, f"{name}_ci95_high": high}
        rows.append(row)
    return pd.DataFrame(rows, columns=TABLE_COLUMNS).astype({"block_dim": "Int64"})


def flips(arms: Sequence[str], items: Sequence[Item], marked: Marked) -> pd.DataFrame:
    """Every question that one arm of a pair has right and the other wrong, with the answers of all arms."""
    rows = []
    for first, second in combinations(range(len(arms)), 2):
        changed = marked.right[second].astype(int) - marked.right[first]
        for direction, sign in (("lost", -1), ("gained", 1)):
            for number in np.flatnonzero(changed == sign).tolist():
                item = items[number]
                given = {f"answer_{arm}": item.choices[marked.given[k, number]] for k, arm in enumerate(arms)}
                rows.append(
                    {
                        "first": arms[first],
                        "second": arms[second],
                        "direction": direction,
                        **_about(number, item),
                        "topic": item.topic,
                        "choices": " | ".join(item.choices),
                        "right_answer": item.choices[item.answer],
                        **given,
                    }
                )
    known = ["first", "second", "direction", "number", "id", "question", "topic", "choices", "right_answer"]
    return pd.DataFrame(rows, columns=[*known, *(f"answer_{arm}" for arm in arms)])


def samples(
    arms: Sequence[str],
    items: Sequence[Item],
    marked: Marked,
    chosen: Sequence[int],
    temperatures: Sequence[float],
    draws: int,
    texts: pd.DataFrame,
) -> pd.DataFrame:
    """Answers sampled at several temperatures.

    Args:
        arms: their names.
        items: the questions.
        marked: the answers.
        chosen: numbers of the questions.
        temperatures: at each of which choices are drawn.
        draws: how many.
        texts: :data:`TEXT_COLUMNS`, what the models wrote.

    Returns:
        The table of :data:`SAMPLE_COLUMNS`. Of kind ``choice`` there is a row a choice, with its probability and its
        share of the draws; of kind ``text`` one a generated text, ``right`` where it begins with the right answer.
    """
    rows: list[dict[str, Any]] = []
    for k, arm in enumerate(arms):
        for number in chosen:
            item, values = items[number], marked.log_likelihood[k, number]
            for temperature in temperatures:
                # One seed for all arms: what differs is the distribution, not the luck.
                counts = draw_choices(values, temperature, draws, [number, round(temperature * 1e6)])
                probabilities = choice_probabilities(values, temperature)
                common = {"arm": arm, **_about(number, item), "temperature": temperature}
                for place, choice in enumerate(item.choices):
                    rows.append(
                        common
                        | {"kind": "choice", "text": choice, "right": place == item.answer}
                        | {"probability": probabilities[place], "draws": draws, "share": counts[place] / draws}
                    )
                same = (texts["arm"] == arm) & (texts["number"] == number) & (texts["temperature"] == temperature)
                for text in texts[same].fillna({"text": ""}).itertuples():
                    wanted = item.continuations[item.answer].strip().casefold()
                    right = text.text.strip().casefold().startswith(wanted)
                    rows.append(common | {"kind": "text", "draw": text.draw, "text": text.text, "right": right})
    return pd.DataFrame(rows, columns=SAMPLE_COLUMNS).astype({"draw": "Int64", "draws": "Int64"})


def _about(number: int, item: Item) -> dict[str, Any]:
    return {"number": number, "id": item.id, "question": item.question}
