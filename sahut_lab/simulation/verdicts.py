"""What must hold when all is quiet again, asked of the tables as their owner, by statements of our own."""

import asyncpg

from sahut.work import audit_work
from sahut_lab.simulation.life import Told
from sahut_lab.trial.verdict import Verdict

LEFT = """
    select (select count(*) from work.job where buried_at is null) as jobs,
           (select count(*) from work.event e
             where not exists (select from work.seal s where s.event_id = e.id)) as unsealed,
           (select extract(epoch from min(run_at) - work.clock())::float8
              from work.job where buried_at is null) as due_in_s,
           (select count(*) from work.deadline where kept_at is null and broken_at is null) as running"""

_COUNTS = """
    select (select count(*) from simulation.fact) as facts,
           (select count(*) from (select key from simulation.fact group by key having count(*) > 1) t) as facts_twice,
           (select count(*) from simulation.effect) as effects,
           (select count(*) from simulation.fact f where f.kind <> 'sim_poison'
              and not exists (select from simulation.effect e where e.key = f.key)) as effects_missing,
           (select count(*) from (
             select key from simulation.effect group by key having count(*) > 1) t) as effects_twice,
           (select count(*) from simulation.effect e where key not like 'clock:%'
             and not exists (select from simulation.fact f where f.key = e.key)) as effects_of_nothing,
           (select count(*) from simulation.effect e join simulation.fact f using (key)
             where f.kind = 'sim_poison') as effects_of_poison,
           (select count(*) from simulation.fact f where f.kind = 'sim_poison' and not exists (
             select from work.job j where j.key = f.key and j.buried_at is not null)) as poison_not_buried,
           (select count(*) from work.job j where not exists (
             select from simulation.fact f where f.key = j.key and f.kind = 'sim_poison')) as jobs_left,
           (select count(*) from simulation.effect where key not like 'clock:%') as effects_of_jobs,
           (select count(*) from work.event where kind = 'done') as events_of_effects,
           (select count(*) from work.event) as events,
           (select count(*) from work.seal) as sealed,
           (select coalesce(max(n), 0) from work.seal) as highest,
           (select count(distinct event_id) from work.seal) as sealed_events,
           (select count(*) from work.event where topic = 'alarm') as alarms"""

_LOST = """
    select count(*) from unnest($1::text[]) told where not exists (select from simulation.fact f where f.key = told)"""

_LEFT_BEHIND = """
    select key, kind, attempts, forgiven, run_at - work.clock() as due_in, buried_at, story from work.job j
     where not exists (select from simulation.fact f where f.key = j.key and f.kind = 'sim_poison') limit 5"""

# Effects carry the time of the database, which is the one that counts.
_CLOCKS = """
    with broken as (
        select d.id, d.subject, d.due_at, e.at,
               (select count(*) from work.event v
                 where v.topic = 'deadline' and v.subject = d.id and v.kind = 'deadline_broken') as told
          from work.deadline d left join simulation.effect e on e.key = 'clock:' || d.subject
         where d.broken_at is not null)
    select (select count(*) from work.deadline) as clocks, (select count(*) from broken) as clocks_broken,
           (select count(*) from simulation.clocked c
             where (select count(*) from work.deadline d where d.subject = c.subject) <> 1) as clocks_not_once,
           (select count(*) from work.deadline where kept_at is null and broken_at is null) as clocks_running,
           (select count(*) from broken where at is null) as clocks_without_effect,
           (select count(*) from broken where at < due_at) as clocks_broken_early,
           (select count(*) from broken where told <> 1) as clocks_not_told_once,
           (select count(*) from simulation.effect e where key like 'clock:%'
             and not exists (select from broken b where 'clock:' || b.subject = e.key)) as clocks_kept_with_effect,
           (select count(*) from (
             select subject, body->>'warning' from work.event where kind = 'deadline_warned'
              group by 1, 2 having count(*) > 1) t) as warned_twice"""

# One writer commits one after the other, so its events bear growing numbers.
_OUT_OF_ORDER = """
    select count(*) from (
        select split_part(e.body->>'key', ':', 2)::int as turn,
               max(split_part(e.body->>'key', ':', 2)::int) over (
                   partition by split_part(e.body->>'key', ':', 1) order by s.n rows unbounded preceding) as before
          from work.event e join work.seal s on s.event_id = e.id where e.kind = 'written') t
     where turn < before"""


async def judge(control: "asyncpg.Connection[asyncpg.Record]", told: Told, seed: int) -> Verdict:
    """Hold the tables against what the writers were told."""
    verdict = Verdict("simulation", seed)
    found = dict((await control.fetch(_COUNTS))[0])
    lost = await control.fetchval(_LOST, told.committed)
    verdict.count(
        committed=len(told.committed), unknown=told.unknown,
        **{name: found[name] for name in ("facts", "effects", "events")},
    )  # fmt: skip
    verdict.must_be_zero(
        acknowledged_and_lost=lost,
        out_of_order=await control.fetchval(_OUT_OF_ORDER),
        unsealed=found["events"] - found["sealed_events"],
        sealed_twice=found["sealed"] - found["sealed_events"],
        holes=found["highest"] - found["sealed"],
        effects_without_event=abs(found["effects_of_jobs"] - found["events_of_effects"]),
        **{
            name: found[name]
            for name in (
                "facts_twice", "effects_missing", "effects_twice", "effects_of_nothing", "effects_of_poison",
                "poison_not_buried", "jobs_left", "alarms",
            )
        },
    )  # fmt: skip
    for row in await control.fetch(_LEFT_BEHIND):
        verdict.failures.append(f"left behind: {dict(row)}")
    clocks = dict((await control.fetch(_CLOCKS))[0])
    verdict.count(clocks=clocks.pop("clocks"), clocks_broken=clocks.pop("clocks_broken"))
    verdict.must_be_zero(**clocks)
    for sentence in await audit_work(control, None):
        verdict.must("buried" in sentence, sentence)
    return verdict
