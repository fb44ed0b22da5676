//! Numbers as text, without the formatting machinery of `core::fmt` and without the 64-bit division that small
//! processors have to do by a routine: a device would pay for both in flash.

/// Most digits a 64-bit number has.
pub(super) const DIGITS_MAX: usize = 20;

/// A number in decimal.
#[derive(Clone, Copy)]
pub(super) struct Decimal {
    digits: [u8; DIGITS_MAX],
    start: usize,
}

impl Decimal {
    pub(super) fn new(number: u64) -> Decimal {
        Decimal::padded(number, 1)
    }

    /// With zeros in front, up to `len` digits.
    pub(super) fn padded(number: u64, len: usize) -> Decimal {
        let mut digits = [b'0'; DIGITS_MAX];
        let mut start = DIGITS_MAX;
        let mut limbs = limbs(number);
        for digit in digits.iter_mut().rev() {
            if limbs == [0; 4] && DIGITS_MAX.saturating_sub(start) >= len {
                break;
            }
            *digit = b'0'.wrapping_add(divide_by_ten(&mut limbs));
            start = start.saturating_sub(1);
        }
        Decimal { digits, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }

    /// The digits in front of the last `count` ones, and those.
    pub(super) fn split_last(&self, count: usize) -> (&[u8], &[u8]) {
        let bytes = self.as_bytes();
        bytes
            .split_at_checked(bytes.len().saturating_sub(count))
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
    fn padding_is_a_least_length() {
        assert_eq!(Decimal::padded(12, 6).as_bytes(), b"000012");
        assert_eq!(Decimal::padded(1_234_567, 6).as_bytes(), b"1234567");
        assert_eq!(
            Decimal::padded(0, 7).split_last(6),
            (&b"0"[..], &b"000000"[..])
        );
        assert_eq!(
            Decimal::padded(12_345_678, 7).split_last(6),
            (&b"12"[..], &b"345678"[..])
        );
    }
}
