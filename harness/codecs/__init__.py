"""Codecs behind one contract: the embedded `tiny` and EnCodec."""
