-- Why: the constraints that 0002 replaced hold for older rows too, and from here on that is known.
-- Locks: SHARE UPDATE EXCLUSIVE on delivery and its partitions while they are read: nobody waits for it but the making
-- and removing of partitions, and vacuum.

ALTER TABLE delivery VALIDATE CONSTRAINT delivery_state_check, VALIDATE CONSTRAINT delivery_ended_is_free;
