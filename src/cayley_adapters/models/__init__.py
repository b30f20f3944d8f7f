"""Language models and texts: fetched, loaded, checked, cut into windows, and their losses."""
