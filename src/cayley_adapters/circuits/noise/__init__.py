"""A device's calibration, the channels made of it, its schedule and its budget of errors."""
