"""Tables, boundary and pictures."""


localrules:
    entanglement,


rule aggregate:
    input:
        unpack(inputs("aggregate")),
    output:
        **STAGES["aggregate"].outputs,
    log:
        "{base}/logs/aggregate.log",
    params:
        job=spec("aggregate"),
        code=code("aggregate"),
    resources:
        **needs("aggregate"),
    shell:
        RUN_JOB


rule draw:
    input:
        unpack(inputs("phase_diagram")),
    output:
        **STAGES["phase_diagram"].outputs,
    log:
        "{base}/logs/phase_diagram.log",
    params:
        job=spec("phase_diagram"),
        code=code("phase_diagram"),
    resources:
        **needs("phase_diagram"),
    shell:
        RUN_JOB


rule scaling:
    input:
        unpack(inputs("scaling")),
    output:
        **STAGES["scaling"].outputs,
    log:
        "{base}/logs/scaling.log",
    params:
        job=spec("scaling"),
        code=code("scaling"),
    resources:
        **needs("scaling"),
    shell:
        RUN_JOB


rule recovery:
    input:
        unpack(inputs("recovery")),
    output:
        **STAGES["recovery"].outputs,
    log:
        "{base}/logs/recovery.log",
    params:
        job=spec("recovery"),
        code=code("recovery"),
    resources:
        **needs("recovery"),
    shell:
        RUN_JOB


rule entanglement_spectra:
    input:
        unpack(inputs("entanglement")),
    output:
        **STAGES["entanglement"].outputs,
    log:
        "{base}/logs/entanglement.log",
    params:
        job=spec("entanglement"),
        code=code("entanglement"),
    resources:
        **needs("entanglement"),
    shell:
        RUN_JOB


rule entanglement:
    input:
        [pattern.format(base=base) for base in BASES for pattern in STAGES["entanglement"].outputs.values()],


if COMPARISON:

    rule compare_models:
        input:
            [path for paths in COMPARISON[0].inputs().values() for path in paths],
        output:
            COMPARISON[0].outputs()["page"],
        log:
            f"{COMPARISON[0].base}/logs/compare_models.log",
        params:
            job=job_to_json(COMPARISON[0]),
            code=code("compare_models"),
        resources:
            machine_cores=1,
            cpus_per_task=1,
            mem_mb=lambda wildcards, attempt: 2000 * 2 ** (attempt - 1),
            runtime=START_MINUTES,
        shell:
            RUN_JOB
