-- Note what an operator does; before it is done, so that nothing is done unnoted.
INSERT INTO audit (actor, role, action, target, detail)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::jsonb)
RETURNING id
