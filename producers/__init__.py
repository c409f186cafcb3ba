"""Where posts come from: one file per source, all of one shape."""
