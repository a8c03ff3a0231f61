-- Note that a migration was applied.
INSERT INTO schema_migration (version, name, sha256) VALUES ($1::int, $2::text, $3::bytea)
