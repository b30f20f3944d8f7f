"""The one table of stages, and what runs it: jobs, locks, records, provenance, costs, verification."""
