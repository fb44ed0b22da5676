//! From the wire's expiration to the second in which an item ends (memcached binary protocol: expiration).

/// The longest expiration that counts from now, in seconds: 30 days. Beyond it, it is unix time.
const RELATIVE_MAX: u32 = 60 * 60 * 24 * 30;

/// The unix second from which on something is over; 0 for never. One in the past stays in the past.
#[cfg_attr(target_pointer_width = "64", inline)]
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(super) fn absolute(expiration: u32, now: u32) -> u32 {
    match expiration {
        0 => 0,
        1..=RELATIVE_MAX => now.saturating_add(expiration),
        _ => expiration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_are_the_border_between_relative_and_absolute() {
        let now = 1_700_000_000;
        assert_eq!(absolute(0, now), 0);
        assert_eq!(absolute(1, now), now + 1);
        assert_eq!(absolute(2_592_000, now), now + 2_592_000);
        assert_eq!(absolute(2_592_001, now), 2_592_001);
        assert_eq!(absolute(u32::MAX, now), u32::MAX);
        assert_eq!(absolute(2_592_000, u32::MAX - 5), u32::MAX);
    }
}
