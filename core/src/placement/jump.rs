//! Jump consistent hash (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014).

/// The number of the server that holds a key, from 0 to `servers` - 1; 0 when there is none.
///
/// No memory, some logarithm of `servers` steps, and an even spread. When a server is added at the end, only the keys
/// that go to it move; only the last can be taken away without moving other keys. `key` is best made by [`jump_key`].
#[must_use]
pub fn jump(key: u64, servers: u32) -> u32 {
    let mut state = key;
    let mut next = 0_u64;
    let mut found = 0;
    // Each step at least moves on by one server, and on average doubles the number.
    while next < u64::from(servers) {
        found = next;
        state = state
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(1);
        let step = (1_u64 << 31) as f64 / ((state >> 33) + 1) as f64;
        next = ((found + 1) as f64 * step) as u64;
    }
    // `found` is below `servers`.
    found as u32
}

/// The 64 bits that stand for a key in [`jump`]: its FNV-1a hash, whose bits are then mixed as in MurmurHash3.
///
/// Jump hash does not say how a key becomes a number: clients of one pool must agree on that too.
#[must_use]
pub fn jump_key(key: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
