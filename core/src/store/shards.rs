//! One cache made of one store or of many.

use super::{Key, Observer, Store};

/// A set of stores that together hold one cache.
///
/// A [`Store`] is one shard. Adapters implement it over locked shards: what happens within one call of [`Shards::with`]
/// is one step for everybody else, so that compound operations (read, compute, write) are atomic.
pub trait Shards {
    /// What the stores keep their bytes in.
    type Memory: AsRef<[u8]> + AsMut<[u8]>;
    /// Who learns of their changes; `()` for nobody.
    type Observer: Observer;

    /// Calls `f` with the store that is responsible for `key`, and the key with its hash.
    fn with<R>(
        &mut self,
        key: &[u8],
        f: impl FnOnce(&mut Store<Self::Memory, Self::Observer>, Key<'_>) -> R,
    ) -> R;

    /// Calls `f` with the store that is responsible for keys of this hash, as [`Reservation::key_hash`] gives it.
    ///
    /// [`Reservation::key_hash`]: super::Reservation::key_hash
    fn with_hash<R>(
        &mut self,
        key_hash: u64,
        f: impl FnOnce(&mut Store<Self::Memory, Self::Observer>) -> R,
    ) -> R;

    /// Calls `f` with every store, one after the other.
    fn for_each(&mut self, f: impl FnMut(&mut Store<Self::Memory, Self::Observer>));
}

impl<M: AsRef<[u8]> + AsMut<[u8]>, O: Observer> Shards for Store<M, O> {
    type Memory = M;
    type Observer = O;

    fn with<R>(&mut self, key: &[u8], f: impl FnOnce(&mut Store<M, O>, Key<'_>) -> R) -> R {
        let key = self.key(key);
        f(self, key)
    }

    fn with_hash<R>(&mut self, _key_hash: u64, f: impl FnOnce(&mut Store<M, O>) -> R) -> R {
        f(self)
    }

    fn for_each(&mut self, mut f: impl FnMut(&mut Store<M, O>)) {
        f(self);
    }
}
