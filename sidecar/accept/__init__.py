"""Take a request in: check it, store it, and answer once it is durable."""
