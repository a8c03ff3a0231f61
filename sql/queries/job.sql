-- One job, for the view of its owner.
SELECT correlation_id, application, route, endpoint, state, links_base, created_at, deadline_at
FROM job WHERE job_id = $1::uuid
