"""Known artefacts that the anchor `degraded` puts into a reference, at graded levels."""
