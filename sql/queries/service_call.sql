-- What a job keeps of its route for one service.
SELECT call FROM invocation WHERE job_id = $1::uuid AND service = $2::text
