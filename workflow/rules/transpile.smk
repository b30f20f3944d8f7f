"""Circuits and their counts."""


rule transpile:
    input:
        unpack(inputs("transpile")),
    output:
        **STAGES["transpile"].outputs,
    log:
        "{base}/logs/transpile-{ratio}-{block}-{seed}.log",
    params:
        job=spec("transpile"),
        code=code("transpile"),
    resources:
        **needs("transpile"),
    shell:
        RUN_JOB


rule compare_circuits:
    input:
        unpack(inputs("compare_circuits")),
    output:
        **STAGES["compare_circuits"].outputs,
    log:
        "{base}/logs/compare_circuits.log",
    params:
        job=spec("compare_circuits"),
        code=code("compare_circuits"),
    resources:
        **needs("compare_circuits"),
    shell:
        RUN_JOB
