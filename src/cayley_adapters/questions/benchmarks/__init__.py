"""Benchmarks of lm-evaluation-harness: it has the tasks, prompts, metrics and scores; ours is the model it asks."""
