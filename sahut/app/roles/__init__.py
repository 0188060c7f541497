"""The roles: what one process of Sahut does. ``up`` starts and watches the others; each can be started alone."""
