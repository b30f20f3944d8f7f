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
        machine_cores=1,
        mem_mb=2000,
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
        machine_cores=1,
        mem_mb=2000,
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
        machine_cores=cores("teacher"),
        mem_mb=3500,
    shell:
        RUN_JOB
