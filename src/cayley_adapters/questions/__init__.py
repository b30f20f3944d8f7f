"""Multiple-choice questions: sets of them, their scoring by log-likelihood, and the statistics of the answers."""
