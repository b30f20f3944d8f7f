"""A stage's job, cut off in the middle."""

from __future__ import annotations

from cayley_adapters.pipeline.run import run_job

__all__ = ["steps_of"]


class Cut(Exception):
    pass


def steps_of(job, module, monkeypatch, cut_at=None):
    """Run a job whose ``module`` tells of its steps, and return those that it made; cut it off at one of them."""
    steps = []

    class Watching:
        def __init__(self, *_):
            pass

        def __call__(self, step, *_):
            steps.append(step)
            if step == cut_at:
                raise Cut

    monkeypatch.setattr(module, "Progress", Watching)
    try:
        run_job(job)
    except Cut:
        assert not next(iter(job.outputs.values())).exists()
    return steps
