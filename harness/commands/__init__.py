"""The commands of `resynth`, one file per group; each is imported when it is called."""
