//! Durations in 16 bits, as a Couchbase server reports how long it took.
//!
//! A packed duration `e` stands for `e^1.74 / 2` microseconds: fine steps for short times, coarse ones for long, up to
//! two minutes. `core` has no powers of fractions, so they are made here from a logarithm and an exponential that are
//! exact to some 14 digits; the tests compare every packed value with the standard library's.

use core::time::Duration;

const EXPONENT: f64 = 1.74;

/// Microseconds of the longest duration that is told from longer ones: 120.125042 seconds.
const MICROSECONDS_MAX: u128 = 120_125_042;

/// Packs a duration, rounded to whole microseconds downwards and to the nearest packed value, at most 65535.
#[must_use]
pub fn pack_duration(duration: Duration) -> u16 {
    let microseconds = duration.as_micros().min(MICROSECONDS_MAX) as f64;
    if microseconds == 0.0 {
        return 0;
    }
    // Adding a half and cutting off rounds to the nearest; the conversion stops at 65535.
    (exp(ln(2.0 * microseconds) / EXPONENT) + 0.5) as u16
}

/// The duration that a packed value stands for, to the nanosecond below.
#[must_use]
pub fn unpack_duration(packed: u16) -> Duration {
    if packed == 0 {
        return Duration::ZERO;
    }
    let microseconds = exp(ln(packed.into()) * EXPONENT) / 2.0;
    // The nudge makes up for the last digits of the power, so that 1 is exactly half a microsecond.
    Duration::from_nanos((microseconds * 1000.0 + 1e-3) as u64)
}

/// The natural logarithm of a normal number above 0.
fn ln(number: f64) -> f64 {
    let bits = number.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // The series of the area tangent, for a mantissa from 1 to 2: its argument stays below a third, so that 17 terms
    // are enough.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..17).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    2.0 * ratio * sum + f64::from(exponent) * core::f64::consts::LN_2
}

/// e to the power of a number from 0 to some 40.
fn exp(power: f64) -> f64 {
    let exponent = (power / core::f64::consts::LN_2) as u64;
    let rest = power - exponent as f64 * core::f64::consts::LN_2;
    // The series of the exponential, for a rest below 0.7.
    let mut sum = 1.0;
    for term in (1..20).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    sum * f64::from_bits(exponent.saturating_add(1023) << 52)
}
