"""Studies: questions that take several runs and fits, one file each, run by `resynth study`."""
