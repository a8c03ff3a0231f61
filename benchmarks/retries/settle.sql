-- What autovacuum would have done in time.
VACUUM (ANALYZE) oas_webhook_retry, delivery, job, payload
