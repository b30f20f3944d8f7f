# Targets and includes only: rules are made from the table of stages, src/cayley_adapters/pipeline/table.py.
#
#   snakemake --cores 8 phase_diagram
#   snakemake --cores 8 report
#   snakemake --cores 8 dashboard
#   snakemake --cores 8 questions
#   snakemake --cores 8 benchmarks
#   snakemake --cores 8 entanglement
#   snakemake --cores 8 qpu
#   snakemake --cores 8 levers --config experiment=levers overrides="levers.size=small run=levers_small"
#   snakemake --cores 8 phase_diagram --config experiment=quickstart overrides="sweep.block_dim=2,4 train.steps=5 run=mine"

include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/stages.smk"


localrules:
    phase_diagram,
    report,
    dashboard,
    questions,
    benchmarks,
    entanglement,
    qpu,
    levers,


MAP = made("configure", "compare_circuits", "aggregate", "phase_diagram", "scaling", "recovery")


rule phase_diagram:
    default_target: True
    input:
        MAP,
        COMPARISON,


rule report:
    input:
        made("report"),


rule dashboard:
    input:
        MAP,  # its pages show what the other stages logged, so all of them have to have run
        made("dashboard"),


rule questions:
    input:
        made("configure", "questions"),


rule benchmarks:
    input:
        made("configure", "benchmarks"),


rule entanglement:
    input:
        made("entanglement"),


rule qpu:
    input:
        MAP,  # the map shows what was measured
        made("qpu_evaluate"),


rule levers:
    input:
        MAP,
        COMPARISON,
        levers_asked_for,
