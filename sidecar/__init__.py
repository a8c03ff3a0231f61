"""Asynchronous REST through webhooks: a mediation sidecar for WSO2 API gateways."""

__version__ = "0.1.0"
