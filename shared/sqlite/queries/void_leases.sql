-- void_leases
update jobs set lease_until = null where lease_until is not null
