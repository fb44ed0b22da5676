//! Numbers as text, without the formatting machinery of `core::fmt`, which a device would pay for in flash.

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
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            if rest == 0 && DIGITS_MAX.saturating_sub(start) >= len {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            start = start.saturating_sub(1);
        }
        Decimal { digits, start }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
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
            (u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(Decimal::new(number).as_bytes(), text.as_bytes());
        }
        assert_eq!(Decimal::padded(12, 6).as_bytes(), b"000012");
        assert_eq!(Decimal::padded(1_234_567, 6).as_bytes(), b"1234567");
        assert_eq!(Decimal::padded(0, 6).as_bytes(), b"000000");
    }
}
