"""Answers already given: who asked, under which key, for what, and what was answered; the same key gets the same again.

One table, `work.idempotency`, serves the ledger, which writes it in its own batch statement, and all other actions of
the API, which claim a key, do their work and keep the answer in one transaction (`answers`). An answer is known for 30
days at least; older ones are forgotten by the work role (`forgetting`).
"""
