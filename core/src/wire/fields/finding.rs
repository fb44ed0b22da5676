//! What a lint has found: where, what is there, what would be right.

use core::fmt;

use super::Lint;

/// A lint that a packet has set off.
///
/// Prints the lint's title and, after a colon, the field, its place, and what was found and is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which lint.
    pub lint: Lint,
    /// The field that it is about, by the name of its [`Span`](super::Span); "packet" for all of it.
    pub field: &'static str,
    /// Where the field starts, in bytes from the packet's start.
    pub offset: usize,
    /// Its length in bytes, as far as it is there; 0 for a field that is missing.
    pub len: usize,
    /// The number in the field, or the length that was found.
    pub found: u64,
    /// What it would have had to be.
    pub allowed: Expected,
}

/// What [`Finding::found`] would have had to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// The title says it.
    AsTitled,
    /// This number.
    Exactly(u64),
    /// No more than this.
    AtMost(u64),
    /// No less than this.
    AtLeast(u64),
    /// One of the numbers whose bit is set; bit 0 stands for 0.
    OneOf(u64),
    /// No other bits than these.
    Bits(u64),
    /// A multiple of this.
    MultipleOf(u64),
    /// The nearest number that has a name.
    Nearest {
        /// The number.
        number: u64,
        /// Its name.
        name: &'static str,
    },
    /// This, in words.
    Words(&'static str),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            lint,
            field,
            offset,
            found,
            allowed,
            ..
        } = *self;
        write!(f, "{}: {field} at byte {offset}: {found}", lint.title())?;
        match allowed {
            Expected::AsTitled => Ok(()),
            Expected::Exactly(number) => write!(f, ", allowed {number}"),
            Expected::AtMost(number) => write!(f, ", allowed at most {number}"),
            Expected::AtLeast(number) => write!(f, ", allowed at least {number}"),
            Expected::Bits(bits) => write!(f, " ({found:#x}), allowed bits {bits:#x}"),
            Expected::MultipleOf(number) => write!(f, ", allowed a multiple of {number}"),
            Expected::Nearest { number, name } => {
                write!(f, " ({found:#x}), nearest {name} ({number:#x})")
            }
            Expected::Words(words) => write!(f, ", allowed {words}"),
            Expected::OneOf(bits) => {
                let mut separator = ", allowed ";
                for number in (0..u64::BITS).filter(|number| bits >> number & 1 == 1) {
                    write!(f, "{separator}{number}")?;
                    separator = " or ";
                }
                Ok(())
            }
        }
    }
}
