"""How much of Redis' memory jobs take."""
