"""What a command says on the terminal.

Keys, names and stories come out of the database, where others have written them. A terminal takes some characters for
orders (retitle, overwrite what stands above, answer as if typed), so none of them is passed on.
"""

import re

import typer

# C0 and C1 but for tab and line end, and the bidirectional controls of UAX #9.
_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def tell(sentence: str, *, err: bool = False) -> None:
    """Print a line; what a terminal would obey is shown as a question mark."""
    typer.echo(_ORDERS.sub("?", sentence), err=err)
