-- lead: the one holder of a task, as long as it comes back in time.
insert into leaders (task, holder, until) values ('reconciler', $1, now() + $2 * interval '1 millisecond')
on conflict (task) do update set holder = excluded.holder, until = excluded.until
where leaders.holder = excluded.holder or leaders.until < now()
