"""Everything that people look at: plots, the page, and W&B."""
