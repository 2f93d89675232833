"""The life of a job: pure policies decide what to do with it, the executor carries it out."""
