"""Who is calling, and for which tenant: one file a mode."""
