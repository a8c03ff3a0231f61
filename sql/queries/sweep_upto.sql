-- How far a sweep over the jobs has come.
SELECT upto FROM sweep WHERE name = $1::text
