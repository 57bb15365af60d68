"""The watcher: jobs of agents whose host or worker died and stays away are counted, and dispatched again."""
