"""Simulators of noisy circuits, readouts, mitigation, and the executors that layers run blocks with."""
