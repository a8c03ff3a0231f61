-- What all workers did, minute by minute, over the last minutes. Minutes without a row are left out.
SELECT minute, sum(accepted)::int AS accepted, sum(delivered)::int AS delivered, sum(silent)::int AS silent,
       sum(failed)::int AS failed, max(waiting) AS waiting, max(retrying) AS retrying
FROM pulse WHERE minute > now() - make_interval(mins => $1::int)
GROUP BY minute ORDER BY minute
