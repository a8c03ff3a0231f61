-- Drop the bodies that lie here and whose message was delivered, or given up, longer ago than a retention (seconds): each
-- service's own message, or the aggregate. Bodies of failed messages stay, to be redriven. Where a copy lies in the object
-- store, that is the body from here on. The digest stays, to know a callback that is repeated. Jobs with something left are
-- looked at later: when it is time, or, where that is not known yet, the older the later. And move the mark of the sweep.
WITH x AS MATERIALIZED (
    SELECT p.job_id, p.service, d.ends_at
    FROM unnest($3::uuid[]) AS a (job_id)
    JOIN job j ON j.job_id = a.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    JOIN payload p ON p.job_id = a.job_id AND p.job_id BETWEEN $1::uuid AND $2::uuid
                  AND p.service <> '' AND p.object IS NULL AND p.dropped_at IS NULL
    LEFT JOIN LATERAL (
        SELECT CASE WHEN d.state IN ('delivered', 'cancelled')
                    THEN d.finished_at + make_interval(secs => $4::float8) END AS ends_at
        FROM delivery d
        WHERE d.job_id = p.job_id AND d.job_id BETWEEN $1::uuid AND $2::uuid
          AND d.service = CASE j.gather WHEN 'all' THEN '' ELSE p.service END) d ON true
), u AS (
    UPDATE payload p SET body = '', packed = NULL, headers = CASE WHEN x.object IS NULL THEN '' ELSE p.headers END,
                         object = x.object, dropped_at = now()
    FROM (SELECT x.*, o.object FROM x LEFT JOIN stored_object o
              ON o.job_id = x.job_id AND o.service = x.service AND o.doomed_at IS NULL
          WHERE x.ends_at <= now()) x
    WHERE p.job_id = x.job_id AND p.service = x.service AND p.job_id BETWEEN $1::uuid AND $2::uuid
    RETURNING 1
), w AS MATERIALIZED (
    SELECT y.job_id, min(coalesce(y.ends_at, now() + least(interval '6 hours', greatest(
                                                  interval '1 minute', (now() - j.created_at) / 8)))) AS look_at
    FROM (SELECT job_id, ends_at FROM x WHERE ends_at IS NULL OR ends_at > now()
          UNION ALL
          SELECT i.job_id, NULL FROM invocation i
          WHERE i.job_id = ANY ($3::uuid[]) AND i.job_id BETWEEN $1::uuid AND $2::uuid AND i.outcome IS NULL) y
    JOIN job j ON j.job_id = y.job_id AND j.job_id BETWEEN $1::uuid AND $2::uuid
    GROUP BY y.job_id
), k AS (
    INSERT INTO sweep_later (name, job_id, look_at) SELECT 'results', job_id, look_at FROM w ORDER BY job_id
    ON CONFLICT (name, job_id) DO UPDATE SET look_at = excluded.look_at
), g AS (
    DELETE FROM sweep_later l USING unnest($3::uuid[]) AS a (job_id)
    WHERE l.name = 'results' AND l.job_id = a.job_id AND l.job_id BETWEEN $1::uuid AND $2::uuid
      AND NOT EXISTS (SELECT FROM w WHERE w.job_id = a.job_id)
), m AS (
    UPDATE sweep SET upto = $5::uuid WHERE name = 'results' AND upto < $5::uuid
)
SELECT count(*)::int AS dropped FROM u
