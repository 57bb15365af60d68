"""Kamailio, which phone calls come in through: it owns the SIP ports and points at the active slot."""
