//! The JSON that a STREAM_REQ may carry.

use core::fmt::{self, Write};

use crate::wire::EmitError;

/// Which part of a vbucket to stream, as the value of a STREAM_REQ (memcached binary protocol: ADD_STREAM and STREAM_REQ
/// flags).
///
/// ```text
///  {"uid":"1a","collections":["0","8"],"scope":"9","sid":1,"purge_seqno":"1000"}
/// ```
///
/// Collections and scope exclude each other. A request without value on a connection without collections streams the
/// default collection; an empty one on a connection with collections streams all.
#[doc(alias = "UprStreamFilter")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StreamFilter<'a> {
    /// Version of the list of scopes and collections that the consumer knows.
    pub manifest_uid: Option<u64>,
    /// Only these collections; empty for no such filter.
    pub collections: &'a [u32],
    /// Only the collections of this scope.
    pub scope: Option<u32>,
    /// Number of the stream, from 1, where several of a vbucket are allowed
    /// ([`Control::ENABLE_STREAM_ID`](super::Control::ENABLE_STREAM_ID)).
    pub stream_id: Option<u16>,
    /// Up to where the consumer knows that deletions have been purged.
    pub purge_seqno: Option<u64>,
}

impl StreamFilter<'_> {
    /// Bytes that [`StreamFilter::emit`] writes; 0 for a filter that lets everything through.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        let mut text = Text {
            out: &mut [],
            len: 0,
        };
        // Nothing but the output's length could fail, and that is not looked at.
        let _ = self.write(&mut text);
        text.len
    }

    /// Writes the JSON to the front of `out` and returns how many bytes that took; nothing for a filter that lets
    /// everything through, as producers refuse an object without a key.
    ///
    /// # Errors
    /// [`EmitError::OutputTooShort`]; `out` is untouched then.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, EmitError> {
        let (needed, available) = (self.encoded_len(), out.len());
        if available < needed {
            return Err(EmitError::OutputTooShort { needed, available });
        }
        let _ = self.write(&mut Text { out, len: 0 });
        Ok(needed)
    }

    fn write(&self, text: &mut Text<'_>) -> fmt::Result {
        if *self == StreamFilter::default() {
            return Ok(());
        }
        let mut separator = '{';
        if let Some(uid) = self.manifest_uid {
            write!(text, "{separator}\"uid\":\"{uid:x}\"")?;
            separator = ',';
        }
        if !self.collections.is_empty() {
            write!(text, "{separator}\"collections\"")?;
            let mut separator_within = ":[";
            for collection in self.collections {
                write!(text, "{separator_within}\"{collection:x}\"")?;
                separator_within = ",";
            }
            text.write_char(']')?;
            separator = ',';
        }
        if let Some(scope) = self.scope {
            write!(text, "{separator}\"scope\":\"{scope:x}\"")?;
            separator = ',';
        }
        if let Some(stream_id) = self.stream_id {
            write!(text, "{separator}\"sid\":{stream_id}")?;
            separator = ',';
        }
        if let Some(seqno) = self.purge_seqno {
            write!(text, "{separator}\"purge_seqno\":\"{seqno}\"")?;
        }
        text.write_char('}')
    }
}

/// Text at the front of some bytes; what does not fit is counted only.
struct Text<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let places = self.out.iter_mut().skip(self.len);
        for (place, byte) in places.zip(piece.bytes()) {
            *place = byte;
        }
        self.len = self.len.saturating_add(piece.len());
        Ok(())
    }
}
