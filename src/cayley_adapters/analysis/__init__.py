"""Statistics of the map: curves with replicates, critical noise, how the boundary scales, and tables of gains."""
