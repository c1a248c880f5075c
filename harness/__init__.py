"""The harness: configuration, data, codecs, training, scoring, orchestration and the store."""
