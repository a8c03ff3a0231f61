-- Where scans of retries begin: a retry is only ever begun for work that is open, or redriven.
SELECT least(ledger_open_since(),
             (SELECT job_id FROM oas_webhook_retry WHERE state = 'pending' ORDER BY job_id LIMIT 1)) AS job_id
