-- Forget the minutes of more than two days ago.
DELETE FROM pulse WHERE minute < now() - interval '2 days' RETURNING 1 AS removed
