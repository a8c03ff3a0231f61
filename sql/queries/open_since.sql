-- Where scans begin, and the last open work with an id beyond $1: from a time when the clock was ahead.
SELECT ledger_open_since() AS job_id, greatest(
    (SELECT job_id FROM invocation WHERE job_id > $1::uuid AND outcome IS NULL ORDER BY job_id DESC LIMIT 1),
    (SELECT job_id FROM delivery WHERE job_id > $1::uuid AND state = 'open' ORDER BY job_id DESC LIMIT 1),
    (SELECT job_id FROM oas_webhook_retry WHERE job_id > $1::uuid AND state = 'pending' ORDER BY job_id DESC LIMIT 1)
) AS beyond
