//! HELLO: which features a connection has (memcached binary protocol: HELLO features).

use super::RequestError;

/// The features that a server grants, as its answer lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features<'a>(pub &'a [u8]);

/// How many there are.
#[cfg(feature = "defmt")]
impl defmt::Format for Features<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Features({=usize} bytes)", self.0.len());
    }
}

impl Features<'_> {
    /// How many may be asked for at once; there are fewer than 40.
    pub const ASKED_MAX: usize = 64;

    /// Their numbers. Half a number at the end, which no server should send, is left out.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        let (numbers, _) = self.0.as_chunks();
        numbers.iter().map(|number| u16::from_be_bytes(*number))
    }

    /// Whether this one is granted.
    #[must_use]
    pub fn contains(&self, feature: u16) -> bool {
        self.iter().any(|granted| granted == feature)
    }

    /// The numbers as they go over the wire.
    pub(crate) fn write<'b>(
        features: &[u16],
        out: &'b mut [u8; 2 * Features::ASKED_MAX],
    ) -> Result<&'b [u8], RequestError> {
        let (places, _) = out.as_chunks_mut();
        for (place, feature) in places.iter_mut().zip(features) {
            *place = feature.to_be_bytes();
        }
        out.get(..2 * features.len()).ok_or(RequestError::TooLong)
    }
}
