"""Measurements: what a completed job costs, against a relay that stores nothing. Run ``python -m benchmarks``."""
