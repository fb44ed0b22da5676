//! Logging in.

/// The mechanisms that a server offers, as its answer lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mechanisms<'a>(pub &'a [u8]);

#[cfg(feature = "defmt")]
impl defmt::Format for Mechanisms<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Mechanisms({})", memlet_core::wire::Escaped(self.0));
    }
}

impl<'a> Mechanisms<'a> {
    /// Their names, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let names = self.0.split(u8::is_ascii_whitespace);
        names.filter(|name| !name.is_empty())
    }

    /// Whether there is one of exactly this name: `XPLAIN` is not `PLAIN`.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.iter().any(|mechanism| mechanism == name)
    }
}

/// How a step of a login ended that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslAnswer<'a> {
    /// Logged in; what the server says about it.
    Done(&'a [u8]),
    /// The server's challenge, to be answered with another step.
    Continue(&'a [u8]),
}

/// What a challenge says is not for a log.
#[cfg(feature = "defmt")]
impl defmt::Format for SaslAnswer<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            SaslAnswer::Done(text) => defmt::write!(f, "Done({=usize} bytes)", text.len()),
            SaslAnswer::Continue(challenge) => {
                defmt::write!(f, "Continue({=usize} bytes)", challenge.len());
            }
        }
    }
}
