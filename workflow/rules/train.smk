"""Trained blocks, and the classical controls beside them."""


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


rule control:
    input:
        unpack(inputs("control")),
    output:
        **STAGES["control"].outputs,
    log:
        "{base}/logs/control-{ratio}-{control}-{seed}.log",
    params:
        job=spec("control"),
        code=code("control"),
    resources:
        machine_cores=cores("control"),
        mem_mb=3000,
    shell:
        RUN_JOB
