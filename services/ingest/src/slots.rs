//! How many uploads may be under way: in the process, and of one tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_domain::TenantId;

/// The places for uploads.
#[derive(Clone)]
pub(crate) struct Slots {
    taken: Arc<Mutex<HashMap<TenantId, usize>>>,
    in_all: usize,
    of_a_tenant: usize,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// The process has as many uploads as it may.
    Process,
    /// The tenant has as many uploads as it may.
    Tenant,
}

/// A place that is taken, until this is dropped.
pub(crate) struct Slot {
    slots: Slots,
    tenant: TenantId,
}

impl Slots {
    pub(crate) fn new(in_all: usize, of_a_tenant: usize) -> Self {
        Self { taken: Arc::default(), in_all, of_a_tenant }
    }

    /// Takes a place for a tenant.
    pub(crate) fn take(&self, tenant: TenantId) -> Result<Slot, Busy> {
        let mut taken = self.lock();
        if taken.get(&tenant).is_some_and(|uploads| *uploads >= self.of_a_tenant) {
            return Err(Busy::Tenant);
        }
        if taken.values().sum::<usize>() >= self.in_all {
            return Err(Busy::Process);
        }
        *taken.entry(tenant).or_default() += 1;
        Ok(Slot { slots: self.clone(), tenant })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        if let Some(uploads) = taken.get_mut(&self.tenant) {
            *uploads -= 1;
            if *uploads == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_leaves_places_to_others() {
        let slots = Slots::new(3, 2);
        let (one, two, three) = (TenantId(1), TenantId(2), TenantId(3));
        let first = slots.take(one).unwrap();
        let _second = slots.take(one).unwrap();
        assert_eq!(slots.take(one).err(), Some(Busy::Tenant));
        let _third = slots.take(two).unwrap();
        assert_eq!(slots.take(three).err(), Some(Busy::Process));
        drop(first);
        drop(slots.take(three).unwrap());
        assert_eq!(slots.lock().len(), 2, "who has no upload is forgotten");
        slots.take(one).unwrap();
    }
}
