# Targets and includes only; the stages' rules are in workflow/rules, their table in src/cayley_adapters/layout.py.
#
#   snakemake --cores 8 phase_diagram
#   snakemake --cores 8 report
#   snakemake --cores 8 dashboard
#   snakemake --cores 8 questions
#   snakemake --cores 8 qpu
#   snakemake --cores 8 levers --config experiment=levers overrides="levers.size=small"
#   snakemake --cores 8 phase_diagram --config experiment=quickstart overrides="sweep.block_dim=2,4 train.steps=5 run=mine"

include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/compress.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/transpile.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/analyse.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/dashboard.smk"
include: "workflow/rules/questions.smk"
include: "workflow/rules/qpu.smk"


localrules:
    phase_diagram,
    questions,


rule phase_diagram:
    default_target: True
    input:
        [path for base in BASES for path in targets(base)],
        [path for page in COMPARISON for path in page.outputs().values()],


rule questions:
    input:
        [
            pattern.format(base=base)
            for base in BASES
            for stage in ("configure", "questions")
            for pattern in STAGES[stage].outputs.values()
        ],


include: "workflow/rules/levers.smk"
