//! What an engine counts.

macro_rules! statistics {
    ($( $(#[$doc:meta])* $name:ident, )*) => {
        /// Counters of one engine, named as memcached's `stats` names them (memcached binary protocol: STAT).
        ///
        /// memcached's `cmd_get` and `cmd_touch` are the sums of hits and misses. What the store counts (items, bytes,
        /// evictions) is in [`StoreStatistics`](crate::store::StoreStatistics).
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct Statistics {
            $( $(#[$doc])* pub $name: u64, )*
        }

        impl Statistics {
            /// Adds what another engine has counted.
            pub fn add(&mut self, other: &Statistics) {
                $( self.$name = self.$name.wrapping_add(other.$name); )*
            }

            /// Takes away what had been counted at an earlier time.
            pub fn subtract(&mut self, earlier: &Statistics) {
                $( self.$name = self.$name.saturating_sub(earlier.$name); )*
            }
        }
    };
}

statistics! {
    /// Stores that came to a decision: SET, ADD, REPLACE, APPEND, PREPEND and quiet twins, refused ones included.
    cmd_set,
    /// FLUSH and FLUSHQ.
    cmd_flush,
    /// GET, GETK and quiet twins that found their key.
    get_hits,
    /// GET, GETK and quiet twins that did not.
    get_misses,
    /// DELETE and DELETEQ of a missing key.
    delete_misses,
    /// DELETE and DELETEQ that deleted.
    delete_hits,
    /// INCREMENT and INCREMENTQ of a missing key that was not to be created.
    incr_misses,
    /// INCREMENT and INCREMENTQ of an existing number.
    incr_hits,
    /// DECREMENT and DECREMENTQ of a missing key that was not to be created.
    decr_misses,
    /// DECREMENT and DECREMENTQ of an existing number.
    decr_hits,
    /// SET, ADD and REPLACE with a CAS for a missing key.
    cas_misses,
    /// SET, ADD and REPLACE with the item's CAS.
    cas_hits,
    /// SET, ADD and REPLACE with another CAS than the item's.
    cas_badval,
    /// TOUCH, GAT, GATK and quiet twins that found their key.
    touch_hits,
    /// TOUCH, GAT, GATK and quiet twins that did not.
    touch_misses,
    /// Stores refused because the item is beyond the limit.
    store_too_large,
    /// Stores refused because there was no room for them at the time.
    store_no_memory,
    /// SASL_AUTH and SASL_STEP that came to an end.
    auth_cmds,
    /// Those of them that failed.
    auth_errors,
    /// Bytes of requests.
    bytes_read,
    /// Bytes of responses.
    bytes_written,
}

impl Statistics {
    /// GET, GETK and quiet twins.
    #[must_use]
    pub fn cmd_get(&self) -> u64 {
        self.get_hits.wrapping_add(self.get_misses)
    }

    /// TOUCH, GAT, GATK and quiet twins.
    #[must_use]
    pub fn cmd_touch(&self) -> u64 {
        self.touch_hits.wrapping_add(self.touch_misses)
    }

    /// Counts one more.
    #[cfg_attr(target_pointer_width = "64", inline)]
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(super) fn raise(counter: &mut u64) {
        *counter = counter.wrapping_add(1);
    }
}
