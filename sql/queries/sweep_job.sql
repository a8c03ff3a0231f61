-- Have a job's request looked at by the sweep, whose mark may be beyond the job's id by the time it is stored.
INSERT INTO sweep_later (name, job_id, look_at) VALUES ('requests', $1::uuid, now() + interval '2 minutes')
ON CONFLICT (name, job_id) DO NOTHING
