"""Durable jobs: rows that are written in the commit of what they follow from, and done exactly once in effect."""
