"""The arguments of `resynth`, one file per group of commands; nothing heavy is imported."""
