"""The HTTP API: routes, authentication, server-sent events, presigned URLs."""
