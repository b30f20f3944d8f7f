"""One page that shows a run."""


localrules:
    report,


rule write_report:
    input:
        unpack(inputs("report")),
    output:
        **STAGES["report"].outputs,
    log:
        "{base}/logs/report.log",
    params:
        job=spec("report"),
        code=code("report"),
    resources:
        **needs("report"),
    shell:
        RUN_JOB


rule report:
    input:
        [path.format(base=base) for base in BASES for path in STAGES["report"].outputs.values()],
