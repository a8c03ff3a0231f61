-- Does this partition, {partition}, hold open rows? {open} is the table's own test for it.
SELECT EXISTS (SELECT FROM {partition} WHERE {open}) AS open
