"""Advisory locks: every number that the house uses, in one place, so that no two owners take the same one.

The numbers begin with 0x5A48, which nobody else in a database is likely to use. Two-part locks (`TURN`, `PERSON`) take
theirs as the class and a shard or a person as the object.
"""

MIGRATION = 0x5A_4801  # transaction, `sahut.db`: one process migrates, the others wait and then find nothing to do
SEALER = 0x5A_4802  # session, `sahut.work`: who holds it seals the log
TURN = 0x5A_4803  # transaction, `sahut.ledger`: batches of one shard take turns
PERSON = 0x5A_4804  # transaction, `sahut.care`: two messages of one person cannot open two cases
LOG_PARTITIONS = 0x5A_4805  # transaction, in the functions of migration 0006: months of the log are made and retired
FIGURES = 0x5A_4806  # session, `sahut.app`: one process asks the database how it is, for all
