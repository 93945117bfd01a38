"""Tests of what is measured on the whole."""
