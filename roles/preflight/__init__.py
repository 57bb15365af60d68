"""What must hold before anything is changed: all findings of all hosts together."""
