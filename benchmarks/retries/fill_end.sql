-- After many rows were added: the indexes as they were.
DO $$
DECLARE
    definition text;
BEGIN
    FOR definition IN SELECT indexdef FROM set_aside LOOP
        EXECUTE definition;
    END LOOP;
END
$$;
DROP TABLE set_aside
