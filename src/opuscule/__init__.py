"""Opus audio from a microphone to an ear and to an archive."""
