"""Everything that Wherry keeps in Redis: an index that can be rebuilt, never the truth."""
