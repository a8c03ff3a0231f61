"""Call the services of a job: one bounded lane for each service, and a decision about every answer."""
