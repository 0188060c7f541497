"""The simulation: the real code on a real PostgreSQL, in a time and an order that a seed decides.

Everything that makes a failure hard to see again is taken away from chance. Time is virtual: a week of retries passes
in seconds (`loop`). Statements go to the server one at a time, in an order that follows from the seed, and between
them connections are cut, processes are killed or stopped, answers are lost (`wire`, `processes`). What must hold at the
end is asked of the tables by code of our own (`verdicts`). A failing seed is one line to replay:
`sahut trial simulation --seed N --size 1`.

What it is not: two statements never run in the server at the same moment, so races inside PostgreSQL itself stay the
matter of the trials with real processes.
"""
