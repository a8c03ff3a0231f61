-- Where scans of retries begin: a retry is only ever begun for work that is open, or redriven. And the last open work with
-- an id beyond $1: from a time when the clock was ahead.
SELECT least(ledger_open_since(),
             (SELECT job_id FROM oas_webhook_retry WHERE state = 'pending' ORDER BY job_id LIMIT 1)) AS job_id, greatest(
    (SELECT job_id FROM invocation WHERE job_id > $1::uuid AND outcome IS NULL ORDER BY job_id DESC LIMIT 1),
    (SELECT job_id FROM delivery WHERE job_id > $1::uuid AND state = 'open' ORDER BY job_id DESC LIMIT 1),
    (SELECT job_id FROM oas_webhook_retry WHERE job_id > $1::uuid AND state = 'pending' ORDER BY job_id DESC LIMIT 1)
) AS beyond
