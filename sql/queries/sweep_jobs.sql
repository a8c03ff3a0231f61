-- The jobs that a sweep looks at next: those beyond its mark, in the order of their ids, and those that it put off and
-- whose time has come.
(SELECT job_id, true AS fresh FROM job WHERE job_id BETWEEN $1::uuid AND $2::uuid ORDER BY job_id LIMIT $4::int)
UNION ALL
(SELECT job_id, false FROM sweep_later WHERE name = $3::text AND look_at <= now() ORDER BY look_at LIMIT $4::int)
