-- Set the mark of a sweep back: the clock was ahead when it was set.
UPDATE sweep SET upto = $2::uuid WHERE name = $1::text AND upto > $2::uuid
