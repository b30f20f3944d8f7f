"""The W&B workspace and report."""


localrules:
    dashboard,


rule dashboard:
    input:
        rules.phase_diagram.input,
        [STAGES["dashboard"].outputs["definition"].format(base=base) for base in BASES],


rule publish_dashboard:
    input:
        unpack(inputs("dashboard")),
    output:
        **STAGES["dashboard"].outputs,
    log:
        "{base}/logs/dashboard.log",
    params:
        job=spec("dashboard"),
        code=code("dashboard"),
    resources:
        machine_cores=1,
        mem_mb=2000,
    shell:
        RUN_JOB
