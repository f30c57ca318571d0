-- try_acquire_leadership: Makes $1 the leading reconciler for $2 milliseconds, if it already leads or the time of the
-- previous leader is over. Otherwise has no effect.
insert into leaders (task, holder, until) values ('reconciler', $1, now() + $2 * interval '1 millisecond')
on conflict (task) do update set holder = excluded.holder, until = excluded.until
where leaders.holder = excluded.holder or leaders.until < now()
