"""One torch-free file per codec family: its names, facts and where its weights come from."""
