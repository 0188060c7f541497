"""The sealed log: everything that happened, numbered, folded into a tree, signed. One table of events, one order.

Rooms append (`append`), the sealer gives numbers (`sealer`, `gaps`), readers go by number (`reading`, `ring`), and the
sweep asks from the other side whether anything was passed over.
"""
