"""Ways to move the boundary between help and harm, measured one by one and together."""
