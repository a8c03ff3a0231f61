"""One large result, beside a pipe into the same store."""
