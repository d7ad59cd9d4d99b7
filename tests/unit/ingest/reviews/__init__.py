"""Tests of the review platforms."""
