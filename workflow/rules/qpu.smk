"""Blocks on a quantum processor: plan, send, collect, and what comes of it."""


localrules:
    qpu,


rule qpu_train:
    input:
        unpack(inputs("qpu_train")),
    output:
        **STAGES["qpu_train"].outputs,
    log:
        "{base}/logs/qpu_train-{ratio}-{block}-{seed}.log",
    params:
        job=spec("qpu_train"),
        code=code("qpu_train"),
    resources:
        **needs("qpu_train", least=3000),
    shell:
        RUN_JOB


rule qpu_plan:
    input:
        unpack(inputs("qpu_plan")),
    output:
        **STAGES["qpu_plan"].outputs,
    log:
        "{base}/logs/qpu_plan.log",
    params:
        job=spec("qpu_plan"),
        code=code("qpu_plan"),
    resources:
        **needs("qpu_plan", least=3500),
    shell:
        RUN_JOB


# What was sent, and what came back, stands in {base}/qpu/ledger.sqlite, which is no output: Snakemake never deletes it,
# and running these two again pays for nothing again.
rule qpu_submit:
    input:
        unpack(inputs("qpu_submit")),
    output:
        **STAGES["qpu_submit"].outputs,
    log:
        "{base}/logs/qpu_submit.log",
    params:
        job=spec("qpu_submit"),
        code=code("qpu_submit"),
    resources:
        **needs("qpu_submit", least=3500),
    shell:
        RUN_JOB


rule qpu_collect:
    input:
        unpack(inputs("qpu_collect")),
    output:
        **STAGES["qpu_collect"].outputs,
    log:
        "{base}/logs/qpu_collect.log",
    params:
        job=spec("qpu_collect"),
        code=code("qpu_collect"),
    resources:
        **needs("qpu_collect", least=3500),
    shell:
        RUN_JOB


rule qpu_evaluate:
    input:
        unpack(inputs("qpu_evaluate")),
    output:
        **STAGES["qpu_evaluate"].outputs,
    log:
        "{base}/logs/qpu_evaluate.log",
    params:
        job=spec("qpu_evaluate"),
        code=code("qpu_evaluate"),
    resources:
        **needs("qpu_evaluate", least=3500),
    shell:
        RUN_JOB


rule qpu:
    input:
        # The map shows what was measured, so it belongs to the target.
        [path for base in BASES for path in targets(base)],
        [pattern.format(base=base) for base in BASES for pattern in DEVICE_RESULTS.values()],
