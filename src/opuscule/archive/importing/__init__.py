"""Files, folders and journals made recordings."""
