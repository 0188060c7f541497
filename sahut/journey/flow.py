"""The map of the journey: what has happened on the left, the next step on the right.

A step is a durable job; the job rides in the same commit as its event. Add a step by adding a row.

| event               | job         | what it does                                                        |
|---------------------|-------------|---------------------------------------------------------------------|
| `contact_received`  | `find_case` | joins the person's open case of the same matter, or opens one       |

What follows when time runs out, by the kind of the clock, in the commit of its `deadline_broken`. Add a row here too.

| clock               | when it breaks                                                                    |
|---------------------|-----------------------------------------------------------------------------------|
| `answer`            | the case gets a new promise of an answer, for longer each time                    |
| `follow_up`         | the case gets a promise of an answer                                              |
"""

from collections.abc import Mapping

from sahut.bedrock import Clock
from sahut.care import PROMISE_CLOCKS, add_contacts
from sahut.db import Connection
from sahut.work import ClockHandler, Job, JobKind

# A step that is short and touches nothing but tables: many of them are one commit.
SHARED = 100


def job_kinds(clock: Clock) -> list[JobKind]:
    """The steps of the journey, each a kind of job."""

    async def find_case(connection: Connection, job: Job) -> None:
        """Body: `contact`, `person` (ids; person 0 when unknown)."""
        await add_contacts(connection, contact_id=job.body["contact"], person_id=job.body["person"], now=clock.now())

    return [JobKind("find_case", find_case, together=SHARED, at_once=1)]


def clock_handlers() -> Mapping[str, ClockHandler]:
    """Kind of clock → what follows when it warns or breaks."""
    return PROMISE_CLOCKS
