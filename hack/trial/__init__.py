"""A trial of Wherry: install it on a local cluster and run the main job on real files."""
