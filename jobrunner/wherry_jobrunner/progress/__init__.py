"""How far an attempt is: computed, coalesced and published."""
