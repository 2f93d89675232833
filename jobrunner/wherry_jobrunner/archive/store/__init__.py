"""The S3 store: requests, their errors, and what is known of its objects."""
