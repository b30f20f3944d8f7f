"""What an edit of the library runs again: a table of edits and, for each, the stages that it touches."""

from __future__ import annotations

import shutil

import pytest

from cayley_adapters.pipeline.fingerprint import ROOT, fingerprint, reached
from cayley_adapters.pipeline.table import STAGES

GROUPS = {"nothing": ""}
# A step size is chosen by short trainings.
GROUPS["TRAIN"] = "train search"
GROUPS["CONTROL"] = "control search_control"
GROUPS["TRANSPILE"] = "transpile"
# Of trained blocks, and of such as have learnt nothing.
GROUPS["EVALUATE"] = "evaluate evaluate_identity"
# They load the model whose blocks are sent to a processor.
GROUPS["PROCESSOR"] = "qpu_plan qpu_evaluate"
# They talk to a processor: its offline twin, which runs the simulator, answers within them.
GROUPS["TWIN"] = "qpu_submit qpu_collect"
# They evaluate a model with its blocks on a simulated device.
GROUPS["ARMS"] = "EVALUATE rank answer_questions ask_benchmarks"
GROUPS["SIMULATE"] = "ARMS qpu_evaluate"
# One stage: a model without blocks, whichever it is.
GROUPS["REFERENCE"] = "reference baseline evaluate_control"
# It writes all fields of a calibration by asdict, which may be those of any thing.
GROUPS["DRAWN"] = "qpu_plan"
# They measure what a model loses on the test text.
GROUPS["LOSSES"] = "EVALUATE rank REFERENCE qpu_evaluate"
# They load the compressed model, and with it what a method put in place of a projection.
GROUPS["LOAD"] = "TRAIN PROCESSOR ARMS CONTROL REFERENCE heal"
# They load PEFT, which is then told of our method: its classes know what to do with an adapter.
GROUPS["PEFT"] = "TRAIN PROCESSOR ARMS TRANSPILE entanglement CONTROL REFERENCE heal"
# They bring blocks to gates, or run the simulator, which makes circuits of blocks that come without.
GROUPS["SYNTHESISE"] = "TRANSPILE PROCESSOR ARMS TWIN compare_circuits"

# What is edited: a piece of code that occurs exactly once in the file → what stands in its place ⇒ the stages. Where
# code has moved, its row fails and is to be moved after it. Stages are to be thought, not copied from what fails.
EDITS = """
models/compression/methods/svd.py
    svd: s.norm() → s.max() ⇒ LOAD compress
models/compression/methods/whitened_svd.py
    whitened svd: down = basis.T @ w → down = w ⇒ LOAD compress
models/compression/methods/mpo_plain.py
    plain mpo: rank=[1, size, 1] → rank=[1, 2, 1] ⇒ LOAD compress
models/compression/methods/mpo_cores.py
    mpo: length = size → length = 2 * size ⇒ LOAD compress
models/compression/allocation.py
    allocation: range(200) → range(100) ⇒ compress
adapters/cayley/layer.py
    signed and constrained: torch.where(x < 0 → torch.where(x <= 0 ⇒ PEFT
kernels/shots.py
    of measured frequencies: if signs[row, k] < 0.0 → if signs[row, k] <= 0.0 ⇒ SIMULATE
simulation/measurement.py
    characterised: np.where(overlap < 0 → np.where(overlap <= 0 ⇒ SIMULATE
simulation/executors.py
    ideal signs: flat if self._ideal is None → flat if self._ideal is not None ⇒ SIMULATE
simulation/measurement.py
    readout errors undone: < 1e6 → < 1e3 ⇒ SIMULATE
    background undone: background[blocks] = shares → background[blocks] = 2 * shares ⇒ SIMULATE
adapters/training/controls.py
    lora: lora_alpha=rank → lora_alpha=1 ⇒ CONTROL
    oft: use_cayley_neumann=False → use_cayley_neumann=True ⇒ CONTROL
    boft: boft_n_butterfly_factor=1 → boft_n_butterfly_factor=2 ⇒ CONTROL
    ia3: name == "down_proj" → name == "up_proj" ⇒ CONTROL
adapters/cayley/transform.py
    full blocks: def cayley( → def cayley(*_, ⇒ PEFT
    brickwork's blocks: bricks(qubits_of(d), depth) → bricks(qubits_of(d), 1) ⇒ PEFT
circuits/synthesis.py
    exact synthesis: angles = _search(q)[0] → angles = _search(q)[1] ⇒ SYNTHESISE
    noise-aware synthesis: costs = shrunk**2 → costs = shrunk**3 ⇒ TRANSPILE PROCESSOR evaluate_identity
    brickwork's synthesis: slot = n + 4 * g → slot = n + 5 * g ⇒ TRANSPILE PROCESSOR evaluate_identity
    as many gates as Qiskit's: pairs = -(-( → pairs = +(-( ⇒ TRANSPILE evaluate_identity
kernels/rotation.py
    kernel of rotations: total += q[i, j, b] * row[b * d + j] → total -= 1 ⇒ PEFT
kernels/pauli.py
    kernel of the simulator: v[i, t] *= factor → v[i, t] += factor ⇒ SIMULATE
kernels/batches.py
    kernel of its batches: out[k, t] += low + high → out[k, t] += low ⇒ SIMULATE
kernels/preparation.py
    kernel of the preparation: 0.5 * abs(sa) / large → abs(sa) / large ⇒ SIMULATE TWIN PROCESSOR compare_circuits
kernels/schmidt.py
    kernel of its decomposition: left -= a[j, k] ** 2 → left += a[j, k] ** 2 ⇒ SIMULATE TWIN PROCESSOR compare_circuits
kernels/descent.py
    kernel of the search: if square > 1e-4: → if square > 1e-3: ⇒ SYNTHESISE
adapters/training/loop.py
    training's loop: if self.first_layer == 0: → if self.first_layer < 1: ⇒ TRAIN CONTROL
models/losses.py
    losses: def token_losses( → def token_losses(*_, ⇒ LOSSES
stages/evaluate.py
    evaluation: len(arms) + refine → 1 + refine ⇒ evaluate
stages/evaluate_identity.py
    nothing learnt: job, settings, adapt, 0 → job, settings, adapt, 1 ⇒ evaluate_identity
stages/searching.py
    choice of a step size: losses.argmin() → losses.argmax() ⇒ search search_control
stages/aggregate.py
    gathering: cells.compression_ratio > 0 → cells.compression_ratio >= 0 ⇒ aggregate
questions/encyclopedia.py
    question set: def encyclopedia_questions( → def encyclopedia_questions(*_, ⇒ question_set ask_benchmarks
qpu/submission.py
    sending: class Submission → class Sent ⇒ TWIN
report/plots/recovery.py
    plot: capsize=2 → capsize=3 ⇒ recovery
report/plots/lines.py
    processor's plot: Lines that run at once → Lines at once ⇒ qpu_plan
report/captions/recovery.py
    caption: No reversal → None ⇒ report
report/page/report.html.j2
    template: <html lang="en"> → <html> ⇒ report
report/page/report.css
    style: --ink: #1a1a1a → --ink: #000 ⇒ report
report/page/report.js
    script: actions: false → actions: true ⇒ report
report/wandb/dashboard.py
    dashboard: wr.H1("Training") → wr.H1("Trained") ⇒ dashboard
settings/qpu.py
    description of a setting: Where jobs go: → Where all go: ⇒ nothing
pipeline/map_stages.py
    stage's help: factor projections of the model → factor them ⇒ nothing
settings/levers.py
    lever's title: Lever("blocks measured once" → Lever("blocks seen once" ⇒ levers report
adapters/training/controls.py
    error: leave that block dimension out → leave it out ⇒ nothing
report/wandb/runs.py
    warning: results are not affected → never mind ⇒ nothing
stages/compress.py
    message: parameters removed → parameters gone ⇒ nothing
stages/train.py
    docstring: Write the trained adapter, on → Write it, on ⇒ nothing
stages/control_adapter.py
    comment: # parameters half → # half ⇒ nothing
stages/block_adapter.py
    layout: readout=options.readout, → readout=options.readout,⏎ ⇒ nothing
    annotation: -> dict[str, Any]: → -> dict: ⇒ nothing
settings/sections.py
    check of a setting: if source == self.source → if source ⇒ nothing
settings/train.py
    bound of a setting: Between(0, 1e9, above=True)] → Between(0, 1e8, above=True)] ⇒ nothing
circuits/readouts.py
    legend of a readout: in_legend="blocks, signed" → in_legend="signed blocks" ⇒ phase_diagram recovery report DRAWN
    line of a readout: stroke="o:" → stroke="o-" ⇒ recovery DRAWN
adapters/controls.py
    legend of a control: in_legend="BOFT (PEFT)" → in_legend="BOFT" ⇒ phase_diagram recovery report
    colour of a control: ink="#CC79A7" → ink="black" ⇒ recovery questions benchmarks
circuits/noise/sources.py
    hatch of a source: hatching="...." → hatching="oo" ⇒ scaling DRAWN
report/wandb/tracked.py
    what is tracked: config["seed"] = job.seed → config["seed"] = 0 ⇒ nothing
pipeline/costs/coefficients.json
    estimates: "start": 4.492 → "start": 4 ⇒ nothing
pipeline/locks.py
    locks: def hold_as_job( → def hold_as_job(*_, ⇒ nothing
"""


def stages(words):
    """The stages of a row, with groups written out."""
    return {stage for word in words.split() for stage in (stages(GROUPS[word]) if word in GROUPS else [word])}


def edits():
    """What is edited, file, old and new code, and the stages that must run again."""
    for line in EDITS.strip().splitlines():
        if not line.startswith(" "):
            file = line
            continue
        what, _, rest = line.strip().partition(": ")
        code, _, words = rest.rpartition(" ⇒ ")
        old, _, new = code.partition(" → ")
        yield pytest.param(file, old, new.replace("⏎", "\n"), stages(words), id=what)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy that tests may edit and must put right again: most of its files are then read once."""
    folder = tmp_path_factory.mktemp("package") / "p"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def before(package):
    return codes(package)


def codes(package):
    return {stage: fingerprint(row.module, package) for stage, row in STAGES.items()}


@pytest.mark.parametrize(("file", "old", "new", "again"), list(edits()))
def test_an_edit_runs_these_stages_again_and_no_others(file, old, new, again, package, before):
    assert again <= set(STAGES), "the row names stages that there are not"
    path = package / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times in {file}: move this row after the code"
    path.write_text(text.replace(old, new), encoding="utf-8")
    try:
        after = codes(package)
    finally:
        path.write_text(text, encoding="utf-8")
    assert sorted(stage for stage in STAGES if after[stage] != before[stage]) == sorted(again)


def test_the_package_is_left_as_it_was(package, before):
    assert codes(package) == before


def test_what_is_reached_can_be_told():
    found = reached("stages.report")
    assert {"cayley_adapters.stages.report:run", "cayley_adapters/report/page/report.css"} <= found
    assert not any(name.startswith("cayley_adapters.models.compression.methods.") for name in found)
