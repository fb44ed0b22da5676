//! Numbers as text, without the formatting machinery of `core::fmt` and without the 64-bit division that small
//! processors have to do by a routine: a device would pay for both in flash.

/// Most digits a 64-bit number has, and a point, rounded up to whole words.
pub(super) const TEXT_LEN_MAX: usize = 24;

/// A number in decimal.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    text: [[u8; 8]; TEXT_LEN_MAX / 8],
    start: usize,
}

impl Decimal {
    pub(super) fn new(number: u64) -> Decimal {
        Decimal::with_point(number, 0)
    }

    /// With a point in front of the last `fraction_len` digits and at least one digit in front of it; none if that is 0.
    #[inline(never)]
    pub(super) fn with_point(number: u64, fraction_len: usize) -> Decimal {
        // Filled with what is at hand: for anything else a device would call a routine.
        let mut text = [number.to_ne_bytes(); TEXT_LEN_MAX / 8];
        let mut start = TEXT_LEN_MAX;
        let mut limbs = limbs(number);
        for place in text.as_flattened_mut().iter_mut().rev() {
            let len = TEXT_LEN_MAX.wrapping_sub(start);
            if limbs == [0; 4] && len > fraction_len + usize::from(fraction_len > 0) {
                break;
            }
            *place = if fraction_len > 0 && len == fraction_len {
                b'.'
            } else {
                b'0'.wrapping_add(divide_by_ten(&mut limbs))
            };
            start = start.wrapping_sub(1);
        }
        Decimal { text, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text
            .as_flattened()
            .get(self.start..)
            .unwrap_or_default()
    }
}

/// The number in pieces of 16 bits, the highest first.
fn limbs(number: u64) -> [u16; 4] {
    [
        (number >> 48) as u16,
        (number >> 32) as u16,
        (number >> 16) as u16,
        number as u16,
    ]
}

/// Divides in place and returns the remainder.
fn divide_by_ten(limbs: &mut [u16; 4]) -> u8 {
    let mut remainder = 0;
    for limb in limbs {
        let part = remainder << 16 | u32::from(*limb);
        *limb = (part / 10) as u16;
        remainder = part % 10;
    }
    remainder as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_they_need() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (10, "10"),
            (99, "99"),
            (65_536, "65536"),
            (4_294_967_296, "4294967296"),
            (1 << 63, "9223372036854775808"),
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(Decimal::new(number).as_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn a_point_stands_in_front_of_the_fraction() {
        for (number, text) in [
            (0, "0.000000"),
            (7, "0.000007"),
            (12_000_345, "12.000345"),
            (999_999, "0.999999"),
            (1_000_000, "1.000000"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            assert_eq!(Decimal::with_point(number, 6).as_bytes(), text.as_bytes());
        }
    }
}
