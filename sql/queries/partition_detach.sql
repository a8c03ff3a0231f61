-- Take a partition off its table without stopping anyone; outside a transaction.
ALTER TABLE {parent} DETACH PARTITION {partition} CONCURRENTLY
