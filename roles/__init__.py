"""One package per daemon. Each exports Settings, prepare (changes no traffic) and activate (one host at a time)."""
