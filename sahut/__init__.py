"""Sahut: a wallet with a service desk that can prove it was reachable.

Sixteen rooms on nine floors; imports only go down. From below: ``bedrock`` (values), ``db``, ``work`` (the sealed log,
jobs, the batcher), ``ledger``, ``people``, ``guard``, ``understanding``, then ``wallet``, ``care``, ``help``,
``reach``, then ``journey`` (the only room that knows money and care), ``channels`` and ``rails`` (the outside),
``web``, and ``app``, which binds them together and starts them.
"""

__version__ = "0.1.0"
