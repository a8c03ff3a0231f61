-- For the filling only: the sidecar's own connections wait for every commit.
SET synchronous_commit = off
