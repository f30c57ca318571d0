//! Limits on what requests do at the same time: in the process, and per tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_domain::TenantId;
use muster_http::ApiError;

/// The slots of one kind of work: receiving uploads, waiting for jobs, draining refused bodies.
#[derive(Clone)]
pub(crate) struct Slots {
    taken: Arc<Mutex<HashMap<TenantId, usize>>>,
    max_total: usize,
    max_per_tenant: usize,
}

/// The limit that leaves no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LimitReached {
    /// The limit of the process.
    #[error("too many uploads are in progress")]
    Process,
    /// The limit of the tenant.
    #[error("the tenant has too many uploads in progress")]
    Tenant,
}

/// A slot, occupied until it is dropped.
pub(crate) struct Slot {
    slots: Slots,
    tenant: TenantId,
}

impl Slots {
    pub(crate) fn new(max_total: usize, max_per_tenant: usize) -> Self {
        Self { taken: Arc::default(), max_total, max_per_tenant }
    }

    /// Takes a slot for a request of a tenant.
    pub(crate) fn take(&self, tenant: TenantId) -> Result<Slot, LimitReached> {
        let mut taken = self.lock();
        if taken.get(&tenant).is_some_and(|slots| *slots >= self.max_per_tenant) {
            return Err(LimitReached::Tenant);
        }
        if taken.values().sum::<usize>() >= self.max_total {
            return Err(LimitReached::Process);
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
        if let Some(slots) = taken.get_mut(&self.tenant) {
            *slots -= 1;
            if *slots == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

/// The response to an upload that gets no slot.
impl From<LimitReached> for ApiError {
    fn from(limit: LimitReached) -> Self {
        match limit {
            LimitReached::Process => {
                Self::unavailable("uploads_in_flight", "Too many uploads are in progress; try again.")
            }
            LimitReached::Tenant => Self::too_many(
                "uploads_in_flight",
                "This tenant has too many uploads in progress; try again when one has ended.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_at_its_limit_leaves_slots_to_others() {
        let slots = Slots::new(3, 2);
        let (one, two, three) = (TenantId(1), TenantId(2), TenantId(3));
        let first = slots.take(one).unwrap();
        let _second = slots.take(one).unwrap();
        assert_eq!(slots.take(one).err(), Some(LimitReached::Tenant));
        let _third = slots.take(two).unwrap();
        assert_eq!(slots.take(three).err(), Some(LimitReached::Process));
        drop(first);
        drop(slots.take(three).unwrap());
        assert_eq!(slots.lock().len(), 2, "tenants without slots are removed from the map");
        slots.take(one).unwrap();
    }
}
