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
        **needs("train", least=3000),
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
        **needs("control", least=3000),
    shell:
        RUN_JOB
