"""Ways to move the boundary: training, circuits and evaluation of each lever, and how they compare."""


localrules:
    levers,


rule lever_survey:
    input:
        unpack(inputs("lever_survey")),
    output:
        **STAGES["lever_survey"].outputs,
    log:
        "{base}/logs/lever_survey-{ratio}-{block}-{seed}.log",
    params:
        job=spec("lever_survey"),
        code=code("lever_survey"),
    resources:
        **needs("lever_survey", least=3000),
    shell:
        RUN_JOB


rule lever_rank:
    input:
        unpack(inputs("lever_rank")),
    output:
        **STAGES["lever_rank"].outputs,
    log:
        "{base}/logs/lever_rank.log",
    params:
        job=spec("lever_rank"),
        code=code("lever_rank"),
    resources:
        **needs("lever_rank", least=3500),
    shell:
        RUN_JOB


rule lever_train:
    input:
        unpack(inputs("lever_train")),
    output:
        **STAGES["lever_train"].outputs,
    log:
        "{base}/logs/lever_train-{lever}-{ratio}-{block}-{seed}.log",
    params:
        job=spec("lever_train"),
        code=code("lever_train"),
    resources:
        **needs("lever_train", least=3000),
    shell:
        RUN_JOB


rule lever_transpile:
    input:
        unpack(inputs("lever_transpile")),
    output:
        **STAGES["lever_transpile"].outputs,
    log:
        "{base}/logs/lever_transpile-{lever}-{ratio}-{block}-{seed}.log",
    params:
        job=spec("lever_transpile"),
        code=code("lever_transpile"),
    resources:
        **needs("lever_transpile"),
    shell:
        RUN_JOB


rule lever_evaluate:
    input:
        unpack(inputs("lever_evaluate")),
    output:
        **STAGES["lever_evaluate"].outputs,
    log:
        "{base}/logs/lever_evaluate-{lever}-{ratio}-{block}-{seed}.log",
    params:
        job=spec("lever_evaluate"),
        code=code("lever_evaluate"),
    resources:
        **needs("lever_evaluate", least=3500),
    shell:
        RUN_JOB


rule compare_levers:
    input:
        unpack(inputs("levers")),
    output:
        **STAGES["levers"].outputs,
    log:
        "{base}/logs/levers.log",
    params:
        job=spec("levers"),
        code=code("levers"),
    resources:
        **needs("levers"),
    shell:
        RUN_JOB


def comparisons(wildcards):
    """What compares the levers of each model; asked for only once the target is known."""
    if not SETTINGS[0].levers.names:
        raise WorkflowError(NO_LEVERS)
    return [pattern.format(base=base) for base in BASES for pattern in STAGES["levers"].outputs.values()]


rule levers:
    input:
        rules.phase_diagram.input,
        comparisons,
