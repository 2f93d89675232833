"""From file ids to the plan of an archive: objects, names, layout and parts."""
