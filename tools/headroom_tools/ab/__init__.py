"""Two builds or configurations of this machine, launches in turn: what differs (sides), their
builds (builds), the plan that both follow (plan), the launches (measure), what they say (judge),
the record (record, types), printed (output)."""
