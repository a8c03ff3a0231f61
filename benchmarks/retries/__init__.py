"""Due retries by the million, and webhooks that come back."""
