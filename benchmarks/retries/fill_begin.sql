-- Before many rows are added: the indexes are built anew afterwards, which is quicker.
SET maintenance_work_mem = '512MB';
CREATE TEMPORARY TABLE set_aside AS
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'oas_webhook_retry' AND indexname <> 'oas_webhook_retry_pkey';
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT indexname FROM set_aside LOOP
        EXECUTE format('DROP INDEX %I', name);
    END LOOP;
END
$$
