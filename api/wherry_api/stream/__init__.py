"""Jobs as server-sent events: one Redis subscription, many subscribers."""
