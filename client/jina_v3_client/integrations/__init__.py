"""Where people already are: each module is for one library, and imports that library alone."""
