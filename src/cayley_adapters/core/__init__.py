"""What every room may use: errors, files, messages, tables, the environment and jobs."""
