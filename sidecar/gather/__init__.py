"""Receive what services call back with: authenticate it, store it, answer so that they know whether to repeat."""
