"""Pure values and rules: jobs, invocations, outcomes, deliveries and what is decided about them. No I/O."""
