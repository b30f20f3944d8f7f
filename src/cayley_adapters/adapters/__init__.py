"""Cayley blocks as a PEFT method, and how they and their classical controls are trained."""
