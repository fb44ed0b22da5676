//! The groups `items` and `slabs`, of which a store without slabs has little to tell.

use super::figures::{Figures, send};
use crate::store::StoreStatistics;

/// All items are one class here.
pub(super) fn write_items(figures: &mut Figures<'_, '_>, store: &StoreStatistics) {
    if store.curr_items == 0 {
        return;
    }
    send! {
        figures,
        "items:1:number": number(store.curr_items),
        "items:1:mem_requested": number(store.bytes),
        "items:1:evicted": number(store.evictions),
        "items:1:reclaimed": number(store.reclaimed),
        "items:1:expired_unfetched": number(store.expired_unfetched),
        "items:1:evicted_unfetched": number(store.evicted_unfetched),
    }
}

pub(super) fn write_slabs(figures: &mut Figures<'_, '_>, store: &StoreStatistics) {
    send! {
        figures,
        "active_slabs": number(0),
        "total_malloced": number(store.memory_bytes),
    }
}
