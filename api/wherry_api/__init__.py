"""The HTTP side: routes, authentication, server-sent events, presigned URLs."""
