"""Multiple-choice questions: the set, the answers of one cell's models, and what follows from them."""


rule question_set:
    input:
        unpack(inputs("question_set")),
        question_file,
    output:
        **STAGES["question_set"].outputs,
    log:
        "{base}/logs/question_set.log",
    params:
        job=spec("question_set"),
        code=code("question_set"),
    resources:
        **needs("question_set"),
    shell:
        RUN_JOB


rule answer_questions:
    input:
        unpack(inputs("answer_questions")),
    output:
        **STAGES["answer_questions"].outputs,
    log:
        "{base}/logs/answer_questions.log",
    params:
        job=spec("answer_questions"),
        code=code("answer_questions"),
    resources:
        **needs("answer_questions", least=3500),
    shell:
        RUN_JOB


rule compare_answers:
    input:
        unpack(inputs("questions")),
    output:
        **STAGES["questions"].outputs,
    log:
        "{base}/logs/questions.log",
    params:
        job=spec("questions"),
        code=code("questions"),
    resources:
        **needs("questions"),
    shell:
        RUN_JOB
