"""Hours of even load: what grows, and what becomes slower."""
