//! OBSERVE: whether a change has reached the disk (memcached binary protocol: observe).

use memlet_core::connection::client::ReplyErrorKind;
use memlet_core::wire::{Field, Response};

use super::RequestError;

/// What a server knows of a key. The number stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct KeyState(pub u8);

impl KeyState {
    /// There, and not on disk yet.
    pub const NOT_PERSISTED: KeyState = KeyState(0x00);
    /// There, and on disk.
    pub const PERSISTED: KeyState = KeyState(0x01);
    /// Not there, neither in memory nor on disk.
    pub const NOT_FOUND: KeyState = KeyState(0x80);
    /// Deleted, and the deletion is not on disk yet.
    pub const DELETED: KeyState = KeyState(0x81);
}

/// The answer to OBSERVE of one key.
#[doc(alias = "ObserveResult")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Observed {
    /// What the server knows of the key.
    pub state: KeyState,
    /// The version of the item.
    pub cas: u64,
    /// How long an item takes to reach the disk, on average, in milliseconds.
    pub persist_time_ms: u32,
    /// How long an item takes to reach a replica, on average, in milliseconds.
    pub replication_time_ms: u32,
}

/// What [`Observed::check_persistence`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Persistence {
    /// The change is on disk.
    Persisted,
    /// It is not yet.
    Pending,
    /// Somebody else has changed the item since.
    Overwritten,
}

impl Observed {
    /// Whether the change that gave the item this CAS, or deleted it, has reached the disk.
    #[doc(alias = "CheckPersistence")]
    #[must_use]
    pub fn check_persistence(&self, cas: u64, deletion: bool) -> Persistence {
        match self.state {
            KeyState::NOT_FOUND if deletion => Persistence::Persisted,
            _ if self.cas != cas => Persistence::Overwritten,
            KeyState::PERSISTED => Persistence::Persisted,
            _ => Persistence::Pending,
        }
    }
}

/// The front of the request's value, which the key follows.
///
/// ```text
///  vbucket  key length  key
///  u16      u16         …       the response adds: state u8, CAS u64
/// ```
pub(crate) struct ObserveRequest<'a> {
    key: &'a [u8],
    pub(crate) head: [u8; 4],
}

/// State and CAS behind the key.
const STATE_LEN: usize = 9;

impl<'a> ObserveRequest<'a> {
    pub(crate) fn new(
        vbucket: u16,
        key: &'a [u8],
        key_len_max: usize,
    ) -> Result<ObserveRequest<'a>, RequestError> {
        let too_long = || RequestError::KeyTooLong {
            found: key.len(),
            allowed: key_len_max.min(usize::from(u16::MAX)),
        };
        if key.len() > key_len_max {
            return Err(too_long());
        }
        let len = u16::try_from(key.len()).map_err(|_| too_long())?;
        let mut head = [0; 4];
        head[..2].copy_from_slice(&vbucket.to_be_bytes());
        head[2..].copy_from_slice(&len.to_be_bytes());
        Ok(ObserveRequest { key, head })
    }

    /// Reads the answer, which has to speak of the same key.
    pub(crate) fn read(&self, response: &Response<'_>) -> Result<Observed, ReplyErrorKind> {
        let expected_len = self.head.len() + self.key.len() + STATE_LEN;
        let wrong = || super::item::wrong_length(Field::Value, response.value, expected_len);
        if response.value.len() != expected_len {
            return Err(wrong());
        }
        let (head, rest) = response.value.split_first_chunk::<4>().ok_or_else(wrong)?;
        let (key, rest) = rest.split_at_checked(self.key.len()).ok_or_else(wrong)?;
        let (&state, cas) = rest.split_first().ok_or_else(wrong)?;
        let cas = <[u8; 8]>::try_from(cas).map_err(|_| wrong())?;
        if *head != self.head {
            return Err(ReplyErrorKind::Contents(Field::Value));
        }
        if key != self.key {
            return Err(ReplyErrorKind::Contents(Field::Key));
        }
        Ok(Observed {
            state: KeyState(state),
            cas: u64::from_be_bytes(cas),
            persist_time_ms: (response.cas >> 32) as u32,
            replication_time_ms: response.cas as u32,
        })
    }
}
