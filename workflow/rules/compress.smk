"""Compressed models."""


rule compress:
    input:
        unpack(inputs("compress")),
    output:
        **STAGES["compress"].outputs,
    # Training waits for these two and for nothing else: start them before the references.
    priority: 20
    log:
        "{base}/logs/compress-{ratio}.log",
    params:
        job=spec("compress"),
        code=code("compress"),
    resources:
        **needs("compress", least=3500),
    shell:
        RUN_JOB
