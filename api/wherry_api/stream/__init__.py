"""Following jobs by server-sent events: one subscription, many subscribers."""
