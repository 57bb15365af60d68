"""What a large site costs the controller: hosts that are not there, so nothing else is measured."""
