-- Every day partition, attached or left behind by an interrupted removal, with its age in days.
SELECT p.parent, c.relname AS name, h.inhrelid IS NOT NULL AS attached, coalesce(h.inhdetachpending, false) AS pending,
       (now() AT TIME ZONE 'UTC')::date - to_date(right(c.relname, 8), 'YYYYMMDD') AS age
FROM unnest(ARRAY['invocation', 'delivery', 'payload', 'job']) WITH ORDINALITY AS p (parent, place)
JOIN pg_class r ON r.oid = p.parent::regclass
JOIN pg_class c ON c.relkind = 'r' AND c.relnamespace = r.relnamespace AND c.relname ~ ('^' || p.parent || '_p[0-9]{8}$')
LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND h.inhparent = r.oid
ORDER BY right(c.relname, 8), p.place
