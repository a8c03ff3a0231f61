-- Complete a removal that was interrupted.
ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE
