"""The job runner: claims jobs, bundles objects into an archive, reports progress."""
