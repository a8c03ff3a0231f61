-- Between two runs. One statement after the other, since the sidecar locks several of these at once, in other orders.
TRUNCATE oas_webhook_retry;
TRUNCATE delivery;
TRUNCATE payload;
TRUNCATE job;
TRUNCATE endpoint
