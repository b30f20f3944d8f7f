"""Everything that numba compiles: loops over tiles of circuits, synthesis, and shots."""
