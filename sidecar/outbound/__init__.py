"""HTTP towards services and webhooks."""
