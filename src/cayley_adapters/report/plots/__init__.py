"""Figures, as PNG and SVG, and interactive charts."""
