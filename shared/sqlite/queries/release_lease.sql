-- release_lease
update jobs set lease_until = null, stalls = stalls + ?3 where id = ?1 and lease_fence = ?2
