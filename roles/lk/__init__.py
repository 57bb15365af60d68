"""lk, LiveKit's command-line tool, on hosts: the site is its default project, for whoever may read the keys."""
