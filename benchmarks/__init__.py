"""Measurements: jobs beside a relay that stores nothing, large results, retries. Run ``python -m benchmarks``."""
