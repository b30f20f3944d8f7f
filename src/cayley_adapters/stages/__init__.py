"""The stages of a run: each module has one ``run(job)``, which reads the job's inputs and writes its outputs."""
