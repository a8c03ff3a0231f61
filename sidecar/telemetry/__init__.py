"""What the sidecar tells about itself: log events and metrics."""
