"""The watcher, as it runs on hosts; it imports nothing of ours but what stands beside it there."""
