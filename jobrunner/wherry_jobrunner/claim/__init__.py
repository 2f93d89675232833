"""Taking a job, keeping it, and giving it back: who may write to it, and when."""
