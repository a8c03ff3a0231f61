"""Bring results and errors to the caller's webhook: one bounded lane for each endpoint."""
