-- Put stored objects off that the store refused to remove, by some seconds: until then they are not told again, so that they
-- do not come before all others time after time.
UPDATE stored_object o SET doomed_at = now() + make_interval(secs => $4::float8)
FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS c (job_id, service, object)
WHERE o.job_id = c.job_id AND o.service = c.service AND o.object = c.object AND o.doomed_at IS NOT NULL
