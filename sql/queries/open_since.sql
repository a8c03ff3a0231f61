-- Where scans begin.
SELECT ledger_open_since() AS job_id
