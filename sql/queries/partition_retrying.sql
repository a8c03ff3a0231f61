-- Are there retries to be made of jobs of the day that ends this partition's name?
SELECT EXISTS (
    SELECT FROM oas_webhook_retry r, to_date(right($1::text, 8), 'YYYYMMDD') AS day
    WHERE r.state = 'pending' AND r.job_id >= ledger_id_floor(day::timestamp AT TIME ZONE 'UTC')
      AND r.job_id < ledger_id_floor((day + 1)::timestamp AT TIME ZONE 'UTC')) AS open
