"""How well media gets through, beyond whether it does: figures of a call, and whether anything comes back at all."""
