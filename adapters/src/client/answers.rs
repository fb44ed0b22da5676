//! What answers say, for clients of either kind.

use super::{Answer, Error};

/// The error that an answer is, if it is no miss.
pub(crate) fn refusal<E>(answer: &Answer<'_>) -> Option<Error<E>> {
    match answer {
        Answer::Silent => None,
        Answer::Response(response) if response.status.is_not_found() => None,
        Answer::Response(response) => Some(Error::Refused {
            opcode: response.opcode,
            status: response.status,
        }),
        Answer::TooLong { value_len } => Some(Error::TooLong {
            value_len: *value_len,
        }),
    }
}

/// Whether there was an item, of a command that fails without one.
pub(crate) fn found<E>(result: Result<u64, Error<E>>) -> Result<bool, Error<E>> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Statistics are ASCII; what is not is shown as well as it can be.
#[cfg(feature = "alloc")]
pub(crate) fn text(bytes: &[u8]) -> alloc::string::String {
    alloc::string::String::from_utf8_lossy(bytes).into_owned()
}
