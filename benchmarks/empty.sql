-- Between two runs.
TRUNCATE oas_webhook_retry, delivery, job, payload, endpoint
