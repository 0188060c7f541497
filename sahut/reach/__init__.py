"""Reach: the ways to us. Signed directory of official channels, their state, the ladder for replies, notices, scorecard.
Nothing is here yet; the directory's first form is a page of `web`.
"""
