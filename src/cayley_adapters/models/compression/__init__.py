"""Compression of a model's projections: layer after layer, by interchangeable methods."""
