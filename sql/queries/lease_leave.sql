-- Give a lease back.
DELETE FROM lease WHERE name = $1::text AND holder = $2::bigint
