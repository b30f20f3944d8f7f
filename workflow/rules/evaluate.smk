"""Perplexity: references, and every cell along the noise axis."""


rule reference:
    input:
        unpack(inputs("reference")),
    output:
        **STAGES["reference"].outputs,
    log:
        "{base}/logs/reference.log",
    params:
        job=spec("reference"),
        code=code("reference"),
    resources:
        **needs("reference", least=3500),
    shell:
        RUN_JOB


rule baseline:
    input:
        unpack(inputs("baseline")),
    output:
        **STAGES["baseline"].outputs,
    log:
        "{base}/logs/baseline-{ratio}.log",
    params:
        job=spec("baseline"),
        code=code("baseline"),
    resources:
        **needs("baseline", least=3500),
    shell:
        RUN_JOB


rule evaluate_control:
    input:
        unpack(inputs("evaluate_control")),
    output:
        **STAGES["evaluate_control"].outputs,
    log:
        "{base}/logs/evaluate_control-{ratio}-{control}-{seed}.log",
    params:
        job=spec("evaluate_control"),
        code=code("evaluate_control"),
    resources:
        **needs("evaluate_control", least=3500),
    shell:
        RUN_JOB


rule evaluate:
    input:
        unpack(inputs("evaluate")),
    output:
        **STAGES["evaluate"].outputs,
    log:
        "{base}/logs/evaluate-{ratio}-{block}-{seed}.log",
    params:
        job=spec("evaluate"),
        code=code("evaluate"),
    resources:
        **needs("evaluate", least=3500),
    shell:
        RUN_JOB
