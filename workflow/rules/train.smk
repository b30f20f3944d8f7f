"""Trained blocks."""


rule train:
    input:
        unpack(inputs("train")),
    output:
        **STAGES["train"].outputs,
    log:
        "{base}/logs/train-{ratio}-{block}-{seed}.log",
    params:
        job=spec("train"),
        code=code("train"),
    resources:
        machine_cores=cores("train"),
        mem_mb=3000,
    shell:
        RUN_JOB
