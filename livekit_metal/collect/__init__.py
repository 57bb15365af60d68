"""What a bug report needs, gathered from all hosts into one archive without secrets: procedures/collect.py."""
