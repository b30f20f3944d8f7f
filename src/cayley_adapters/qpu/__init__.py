"""Running blocks on a quantum processor: packing, cost, submission that pays once, and an offline twin."""
