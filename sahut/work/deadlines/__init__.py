"""Clocks: one table for every promise, service level and due date of the house."""
