"""How the house is watched: figures for Prometheus, health for balancers and probes, traces for OpenTelemetry.

`process` is what one process tells about itself; `gathering` brings the processes of one `up` together (`merging`,
pure); `port` is the small server for both. `spans` records traces, and is imported only when somebody asks for them.
What is measured stands with what it measures: `db/metrics`, `work/metrics`, `journey/metrics`, `web/metrics`.
All of it is off unless a port or an address is set, and none of it can stop or slow down what it watches.
"""
