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
        machine_cores=1,
        mem_mb=2000,
    shell:
        RUN_JOB
