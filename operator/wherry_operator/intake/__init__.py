"""What the operator observes: the watches, the cache they fill, and the sweep that checks it."""
