-- Does this partition, {partition}, hold open rows? {open} and {owned} are the conditions of its partial indexes.
SELECT EXISTS (SELECT FROM {partition} WHERE {open}) OR EXISTS (SELECT FROM {partition} WHERE {owned}) AS open
