"""The top floor: settings, wiring, roles, embedded engines, command line.

Here ports are bound to adapters and processes are started; nothing below knows that it happens. Begin reading at
``commands`` (what a person can type), then ``roles/up`` (the supervisor) and ``wiring`` (who is given what).
"""
