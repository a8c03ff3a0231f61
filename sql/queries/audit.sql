-- What operators did, newest first, before a cursor. Each filter that is null lets all pass; a job is found also where it
-- was one of many.
SELECT id, at, actor, role, action, target, detail FROM audit
WHERE ($1::bigint IS NULL OR id < $1::bigint)
  AND ($3::text IS NULL OR actor = $3::text) AND ($4::text IS NULL OR action = $4::text)
  AND ($5::text IS NULL OR target = $5::text OR detail -> 'jobs' ? $5::text)
  AND ($6::timestamptz IS NULL OR at >= $6::timestamptz) AND ($7::timestamptz IS NULL OR at < $7::timestamptz)
ORDER BY id DESC LIMIT $2::int
