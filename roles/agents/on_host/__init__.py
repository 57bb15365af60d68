"""Programs that run on hosts, beside a fleet's own packages; they import nothing of ours."""
