"""A deploy of ours beside the same end state by Ansible, on the same hosts in turns."""
