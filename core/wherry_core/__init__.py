"""What the API, the operator and the job runner share."""
