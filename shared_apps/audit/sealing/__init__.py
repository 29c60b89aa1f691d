"""Personal fields of the trail, encrypted for each person: whoever is erased can be read no more, and the
chain of entries, which is over the ciphertext, stays whole (ADR 0012)."""
