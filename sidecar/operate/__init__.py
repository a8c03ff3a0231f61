"""What operators may ask and do, written once: over the database, or over the admin API of a running sidecar."""
