"""What one run says: rows with verdicts, what gives reason to remark, and the machine's probes."""
