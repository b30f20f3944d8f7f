"""Sentences about results say what the tables hold."""

from __future__ import annotations

import dataclasses

from synthetic import evidence_of

from cayley_adapters.report.captions.benchmarks import benchmarks_caption
from cayley_adapters.report.captions.entanglement import entanglement_findings
from cayley_adapters.report.captions.noise_budget import budget_findings
from cayley_adapters.report.captions.questions import question_findings
from cayley_adapters.report.captions.transition import collapse_findings, prediction_findings

COLLAPSE = [
    {
        "x": "noise_scale", "block_dims": [2, 4], "residual_factor": 2.914, "sampling_factor": None, "holds": False,
        "residual_factor_with_two_qubit_gates": None,
    },
    {
        "x": "noise_scale * error_budget", "block_dims": [2, 4], "residual_factor": 1.1834, "sampling_factor": 1.12,
        "holds": True, "residual_factor_with_two_qubit_gates": 1.07,
    },
]  # fmt: skip
PREDICTION = {
    "compression_ratio": 0.2, "block_dim": 8, "qubits": 3, "lambda_c": 0.3674, "ci95": [0.31, 0.43],
    "lambda_c_measured": 0.4423, "two_qubit_error": 0.00426, "two_qubit_error_needed": 0.00188,
    "two_qubit_error_needed_ci95": [0.00157, 0.00233], "two_qubit_error_needed_readout_as_is": 0.00131,
}  # fmt: skip
BUDGET = b"""compression_ratio,qubits,source,cost
0.2,2,cz,0.0564
0.2,2,sx,0.0277
0.2,2,readout,0.1638
0.2,2,all,0.2376
"""
ENTANGLEMENT = b"""compression_ratio,block_dim,projection,bipartition,measure,seeds,trained,ratio,ratio_ci95_low,\
ratio_ci95_high
0.2,4,all,all,entropy,1,0.06791,1.0049,0.9957,1.0142
0.2,4,all,all,distance,1,0.5,9,9,9
0.2,4,v_proj,all,entropy,1,0.7,9,9,9
"""


def with_scaling(collapse, predictions, scatter=1.22):
    evidence = evidence_of()
    changed = {"collapse": collapse, "predictions": predictions, "prediction_scatter_factor": scatter}
    scaling = evidence.transition["scaling"] | changed
    return dataclasses.replace(evidence, transition=evidence.transition | {"scaling": scaling})


def test_the_collapse_is_judged_by_what_holds():
    (text,) = collapse_findings(with_scaling(COLLAPSE, []))
    assert "over λ alone within a factor of 2.91 (d = 2 and 4)" in text
    budget = "1.18 (d = 2 and 4, 1.12 from sampling alone; 1.07 of blocks with two-qubit gates)"
    assert f"over λ × error budget within a factor of {budget}" in text
    assert "They collapse over λ × error budget." in text
    (none,) = collapse_findings(with_scaling([COLLAPSE[0], COLLAPSE[1] | {"holds": None}], []))
    assert "They collapse over none of these. Over λ × error budget blocks share too little of the axis to say." in none
    assert "two or more block dimensions" in collapse_findings(with_scaling([], []))[0]


def test_predictions_stand_beside_what_was_measured():
    untrained = PREDICTION | {
        "block_dim": 32, "qubits": 5, "lambda_c_measured": None, "two_qubit_error_needed": 0.000137,
        "two_qubit_error_needed_ci95": [0.0001, None], "two_qubit_error_needed_readout_as_is": None,
    }  # fmt: skip
    text, assumption = prediction_findings(with_scaling(COLLAPSE, [PREDICTION, untrained]))
    assert "n = 3: 0.367 (0.310 to 0.430), measured 0.442" in text
    assert "0.0019 (0.0016 to 0.0023) for n = 3, 0.0013 with readout as it is" in text
    assert text.endswith("and 0.00014 (above 0.00010) for n = 5.")
    assert "n = 5: " not in text  # nothing was measured there
    assert "miss what was measured by a factor of 1.22" in assumption
    never = PREDICTION | {"two_qubit_error_needed_readout_as_is": 0.0}
    assert "none with readout as it is" in prediction_findings(with_scaling(COLLAPSE, [never]))[0]
    assert prediction_findings(with_scaling(COLLAPSE, [])) == []


def test_the_dearest_source_comes_first():
    (text,) = budget_findings(evidence_of(files={"noise_budget.csv": BUDGET}))
    assert text.endswith(
        "n = 2 at ratio 0.2: readout 0.16, two-qubit gates 0.056 and one-qubit gates 0.028, together 0.24."
    )
    assert budget_findings(evidence_of()) == []


def test_trained_blocks_are_set_beside_random_ones():
    (text,) = entanglement_findings(evidence_of(files={"entanglement_differences.csv": ENTANGLEMENT}))
    assert "d = 4 at ratio 0.2: 0.0679 bits, 1.005 (0.996 to 1.014) times that of random blocks" in text
    assert "0.500" not in text
    assert entanglement_findings(evidence_of()) == []


def test_an_empty_table_says_nothing():
    empty = b"compression_ratio,qubits,source,cost\n"
    assert budget_findings(evidence_of(files={"noise_budget.csv": empty})) == []


QUESTIONS = b"""arm,question_set,question_set_version,format,questions,chance,accuracy,accuracy_ci95_low,\
accuracy_ci95_high
compressed,titles,41e1,cloze,1000,0.25,0.465,0.4343,0.496
blocks_exact,titles,41e1,cloze,1000,0.25,0.499,0.4681,0.5299
blocks_noise1,titles,41e1,cloze,1000,0.25,0.435,0.4046,0.4659
"""
PAIRS = b"""first,second,only_first,only_second,mcnemar_p_holm,comparisons
compressed,blocks_exact,22,56,0.000598,3
compressed,blocks_noise1,65,35,0.00704,3
"""


COMPARED = b"""first,second,task,metric,difference,difference_ci95_low,difference_ci95_high,p_holm
uncompressed,ratio0.2,words,word_perplexity,-0.405,-0.828,-0.0588,0.015
ratio0.2,ratio0.2-d4-exact,words,word_perplexity,0.1,-0.05,0.25,0.4
"""


def test_benchmarks_that_are_told_apart_are_named():
    about, found = benchmarks_caption(evidence_of(files={"benchmark_comparisons.csv": COMPARED}))
    assert "SmolLM2-135M on encyclopedia_last_word" in about
    assert "all their documents" in about
    assert "p adjusted for 2 comparisons (Holm)" in found
    assert "are: words, uncompressed → ratio0.2: −0.405 (−0.828 to −0.0588; p = 0.015). Differences" in found
    assert "d4-exact" not in found
    heading, apart, _ = COMPARED.splitlines(keepends=True)
    many = heading + apart * 15
    assert (
        "; 3 more in the table below. Differences"
        in benchmarks_caption(evidence_of(files={"benchmark_comparisons.csv": many}))[-1]
    )
    assert len(benchmarks_caption(evidence_of())) == 1


def test_answers_and_flips_are_counted():
    files = {"questions.csv": QUESTIONS, "question_comparisons.csv": PAIRS}
    answers, flips = question_findings(evidence_of(files=files))
    assert "1,000 questions of titles (version 41e1, format cloze; chance 25 %)" in answers
    assert "blocks at λ = 1 43.5 % (40.5 to 46.6)" in answers
    assert "compressed → exact blocks: 22 lost, 56 won (p = 0.00060)" in flips
    assert "adjusted for 3 comparisons" in flips
    assert question_findings(evidence_of(files={"questions.csv": QUESTIONS})) == []
