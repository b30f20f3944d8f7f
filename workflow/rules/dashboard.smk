"""The W&B workspace and report."""


localrules:
    dashboard,


rule dashboard:
    input:
        # Its pages show what the other stages logged, so all of them have to have run.
        [path for base in BASES for path in targets(base)],
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
        **needs("dashboard"),
    shell:
        RUN_JOB
