-- The messages of one job, never bodies. While the retry sequence has a message, its row there tells more.
SELECT d.service, d.kind, d.status, d.state, d.finished_at, r.message_id, r.next_attempt_at,
       CASE d.state WHEN 'retrying' THEN r.attempts ELSE d.attempts END AS attempts,
       CASE d.state WHEN 'retrying' THEN r.last_status ELSE d.last_status END AS last_status,
       CASE d.state WHEN 'retrying' THEN r.last_reason ELSE d.last_reason END AS last_reason
FROM delivery d LEFT JOIN oas_webhook_retry r ON r.job_id = d.job_id AND r.service = d.service
WHERE d.job_id = $1::uuid ORDER BY d.service
