"""What the project is made of: locked, licensed, listed, and free of known holes."""
