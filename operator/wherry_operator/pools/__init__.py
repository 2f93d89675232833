"""Runner pools: how many runners a pool needs, and the steps that get it there."""
