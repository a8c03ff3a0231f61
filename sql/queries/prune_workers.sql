-- Forget workers that died a while ago (seconds) and that no open row names.
DELETE FROM worker w WHERE w.worker_id IN (
    SELECT v.worker_id FROM worker v
    WHERE v.dead_at < now() - make_interval(secs => $1::float8)
      AND NOT EXISTS (SELECT FROM invocation i WHERE i.outcome IS NULL AND i.worker = v.worker_id)
      AND NOT EXISTS (SELECT FROM delivery d WHERE d.state = 'open' AND d.worker = v.worker_id)
      AND NOT EXISTS (SELECT FROM oas_webhook_retry r WHERE r.state = 'pending' AND r.worker = v.worker_id)
    ORDER BY v.worker_id LIMIT 100 FOR UPDATE SKIP LOCKED)
RETURNING 1 AS removed
