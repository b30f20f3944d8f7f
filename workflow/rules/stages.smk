"""One rule a stage, made from the table of stages: what each reads, writes, may see of the configuration and needs."""

for row in STAGES.values():
    if row.name == "compare" and len(SETTINGS) == 1:
        continue

    if row.local or (row.processor and REAL_PROCESSOR):
        workflow.localrules(row.rule_name)

    rule:
        name:
            row.rule_name
        input:
            unpack(inputs(row.name)),
        output:
            **outputs(row),
        log:
            row.log,
        wildcard_constraints:
            base=folders(row),
        params:
            job=spec(row.name),
            code=code(row.name),
        priority: row.priority
        resources:
            **needs(row),
        shell:
            RUN_JOB
