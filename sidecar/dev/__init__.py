"""Everything behind ``sidecar dev`` and ``make run``: embedded Postgres, demo services, a demo webhook, a tour."""
