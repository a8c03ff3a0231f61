-- Remove a partition that was taken off before.
DROP TABLE {partition}
