"""Model, text and the uncompressed model's predictions."""


rule configure:
    output:
        **STAGES["configure"].outputs,
    log:
        "{base}/logs/configure.log",
    params:
        job=spec("configure"),
        code=code("configure"),
    resources:
        **needs("configure"),
    shell:
        RUN_JOB


rule prepare:
    input:
        user_files,
    output:
        **STAGES["prepare"].outputs,
    log:
        "{base}/logs/prepare.log",
    params:
        job=spec("prepare"),
        code=code("prepare"),
    resources:
        **needs("prepare"),
    shell:
        RUN_JOB


rule teacher:
    input:
        unpack(inputs("teacher")),
    output:
        **STAGES["teacher"].outputs,
    # Training waits for these two and for nothing else: start them before the references.
    priority: 10
    log:
        "{base}/logs/teacher.log",
    params:
        job=spec("teacher"),
        code=code("teacher"),
    resources:
        **needs("teacher", least=3500),
    shell:
        RUN_JOB
