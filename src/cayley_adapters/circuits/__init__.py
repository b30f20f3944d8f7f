"""Circuits of blocks: ansatz, gates, preparation, synthesis and, in ``noise``, their errors."""
