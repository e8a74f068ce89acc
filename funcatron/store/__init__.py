"""Where executions are kept: the embedded SQLite file, memory for tests, and leases that say whose owner lives."""
