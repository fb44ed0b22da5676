//! The groups `items` and `slabs`, of which a store without slabs has little to tell.

use super::writer::Writer;
use crate::store::StoreStatistics;

/// All items are one class here.
pub(super) fn write_items(writer: &mut Writer<'_, '_>, store: &StoreStatistics) {
    if store.curr_items == 0 {
        return;
    }

    writer.number("items:1:number", store.curr_items);
    writer.number("items:1:mem_requested", store.bytes);
    writer.number("items:1:evicted", store.evictions);
    writer.number("items:1:reclaimed", store.reclaimed);
    writer.number("items:1:expired_unfetched", store.expired_unfetched);
    writer.number("items:1:evicted_unfetched", store.evicted_unfetched);
}

pub(super) fn write_slabs(writer: &mut Writer<'_, '_>, store: &StoreStatistics) {
    writer.number("active_slabs", 0);
    writer.number("total_malloced", store.memory_bytes);
}
