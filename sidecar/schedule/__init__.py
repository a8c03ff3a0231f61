"""The duties that drive the ledger: one a file, each with ``run_once``."""
