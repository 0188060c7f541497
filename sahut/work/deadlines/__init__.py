"""Clocks: one table for every promise, service level and due date of the house.

How long something may take stands in policies (`rules`, `policies`), which are rows with a date. A clock is opened by
the version that is in force, keeps its due time (`clocks`), may be moved by name only (`moving`), and is warned of and
broken by one loop for all kinds (`watch`).
"""
