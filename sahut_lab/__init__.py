"""The laboratory beside the house: demo worlds, the outside world, trials, benches. It is no part of production.

`demo` fills a new house through the product's own doors. `outside` are clients that import nothing of `sahut`, so that
what they wrote down is independent truth. `trial` breaks the house while they work and judges it by their journals;
`broken` holds patches that break the product on purpose, under which the same trials must fail. `bench` measures, with
the references of `bench/reference` in the same run.
"""
