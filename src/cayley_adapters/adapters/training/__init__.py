"""Training of adapters and of their classical controls on a frozen, compressed model."""

from cayley_adapters.adapters.training.checkpoint import Checkpoint
from cayley_adapters.adapters.training.distillation import (
    TeacherTargets,
    distillation_loss,
    load_targets,
    save_targets,
    teacher_targets,
)
from cayley_adapters.adapters.training.loop import Recipe, TrainingText, train_adapter

__all__ = [
    "Checkpoint",
    "Recipe",
    "TeacherTargets",
    "TrainingText",
    "distillation_loss",
    "load_targets",
    "save_targets",
    "teacher_targets",
    "train_adapter",
]
