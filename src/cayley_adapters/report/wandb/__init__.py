"""What is told to Weights & Biases, and its dashboard."""
