"""Reach: the ways to us. Signed directory of official channels and their state, ladder for replies, notices, scorecard.

Nothing is here yet; the directory's first form is a page of `web`.
"""
