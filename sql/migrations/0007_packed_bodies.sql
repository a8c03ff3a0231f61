-- Why: Postgres compresses a row only above 2 KB, so that small bodies were written to the log and the table as they are.
-- They are compressed before they are sent now; a row says of itself whether its body is.
-- A program from before this migration takes such a body for what it is not. None was released: this belongs to the first
-- release. Whoever ran an earlier state of the source stops its replicas before the new ones begin.
-- Locks: ACCESS EXCLUSIVE on payload and its partitions for a moment: a column without a default, so that nothing is
-- rewritten or read. It gives up when a lock is not to be had within three seconds; run it again then.

SET LOCAL lock_timeout = '3s';

ALTER TABLE payload ADD COLUMN packed boolean;  -- true: body is one zstd frame (RFC 8878)
