-- The sidecar's own database; readings are taken from another one.
CREATE DATABASE benchmark
