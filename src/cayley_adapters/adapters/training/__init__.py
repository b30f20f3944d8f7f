"""Training of adapters and of their classical controls on a frozen, compressed model."""
