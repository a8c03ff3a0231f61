-- One job, for operators.
SELECT correlation_id, application, route, method, callback_url, endpoint, gather, services_total, state, traceparent,
       created_at, deadline_at
FROM job WHERE job_id = $1::uuid
