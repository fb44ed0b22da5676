//! Requests as values.

use memlet_core::wire::extras::{
    CounterExtras, FlushExtras, StoreExtras, TouchExtras, VerbosityExtras,
};
use memlet_core::wire::{DataType, Opcode, Request};

/// A request to be sent: made by the function of its name, refined by the methods.
///
/// ```
/// use memlet::client::Command;
///
/// let store = Command::set(b"greeting", b"hello").flags(7).expiration(3600);
/// let count = Command::increment(b"visits", 1).initial(1).expiration(60);
/// let delete = Command::delete(b"greeting").quiet();
/// # let _ = (store, count, delete);
/// ```
///
/// A method that means nothing to the command (the flags of a get) changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    opcode: Opcode,
    datatype: DataType,
    vbucket: Option<u16>,
    cas: u64,
    extras: Extras<'a>,
    key: &'a [u8],
    value: &'a [u8],
}

/// The opcode, and the key in bounded length.
#[cfg(feature = "defmt")]
impl defmt::Format for Command<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        let (key, value_len) = (memlet_core::wire::Escaped(self.key), self.value.len());
        defmt::write!(
            f,
            "Command {{ opcode: {}, key: {}, value: {=usize} bytes }}",
            self.opcode,
            key,
            value_len
        );
    }
}

/// The extras of each kind of command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extras<'a> {
    Counter(CounterExtras),
    Flush(FlushExtras),
    Raw(&'a [u8]),
    Store(StoreExtras),
    Touch(TouchExtras),
    Verbosity(VerbosityExtras),
}

/// Length in bytes of the longest extras that a [`Command`] writes itself.
pub(crate) const EXTRAS_LEN_MAX: usize = CounterExtras::LEN;

impl<'a> Command<'a> {
    /// Any opcode; [`Command::extras`] and the others fill it in.
    #[must_use]
    pub const fn custom(opcode: Opcode) -> Command<'a> {
        Command {
            opcode,
            datatype: DataType::RAW,
            vbucket: None,
            cas: 0,
            extras: Extras::Raw(&[]),
            key: &[],
            value: &[],
        }
    }

    const fn of(opcode: Opcode, key: &'a [u8], value: &'a [u8], extras: Extras<'a>) -> Command<'a> {
        Command {
            extras,
            key,
            value,
            ..Command::custom(opcode)
        }
    }

    /// Reads an item.
    #[must_use]
    pub const fn get(key: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::GET, key, &[], Extras::Raw(&[]))
    }

    /// Reads an item, whose key comes back with it (GETK).
    #[must_use]
    pub const fn get_with_key(key: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::GETK, key, &[], Extras::Raw(&[]))
    }

    /// Reads an item and sets when it expires (GAT), in seconds as for [`Command::expiration`].
    #[must_use]
    pub const fn get_and_touch(key: &'a [u8], expiration: u32) -> Command<'a> {
        let extras = Extras::Touch(TouchExtras { expiration });
        Command::of(Opcode::GAT, key, &[], extras)
    }

    /// [`Command::get_and_touch`] whose key comes back with it (GATK).
    #[must_use]
    pub const fn get_and_touch_with_key(key: &'a [u8], expiration: u32) -> Command<'a> {
        let extras = Extras::Touch(TouchExtras { expiration });
        Command::of(Opcode::GATK, key, &[], extras)
    }

    /// Sets when an item expires, in seconds as for [`Command::expiration`].
    #[must_use]
    pub const fn touch(key: &'a [u8], expiration: u32) -> Command<'a> {
        let extras = Extras::Touch(TouchExtras { expiration });
        Command::of(Opcode::TOUCH, key, &[], extras)
    }

    /// Stores an item, whether or not there is one.
    #[must_use]
    pub const fn set(key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::SET, key, value, NEW_ITEM)
    }

    /// Stores an item if there is none.
    #[must_use]
    pub const fn add(key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::ADD, key, value, NEW_ITEM)
    }

    /// Stores an item if there is one.
    #[must_use]
    pub const fn replace(key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::REPLACE, key, value, NEW_ITEM)
    }

    /// Puts `value` behind that of an item; its flags and expiration stay.
    #[must_use]
    pub const fn append(key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::APPEND, key, value, Extras::Raw(&[]))
    }

    /// Puts `value` before that of an item; its flags and expiration stay.
    #[must_use]
    pub const fn prepend(key: &'a [u8], value: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::PREPEND, key, value, Extras::Raw(&[]))
    }

    /// Deletes an item.
    #[must_use]
    pub const fn delete(key: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::DELETE, key, &[], Extras::Raw(&[]))
    }

    /// Adds to a counter, modulo 2^64. A missing one stays missing, unless there is an [`initial`](Command::initial)
    /// value.
    #[must_use]
    pub const fn increment(key: &'a [u8], delta: u64) -> Command<'a> {
        Command::of(Opcode::INCREMENT, key, &[], counter(delta))
    }

    /// Subtracts from a counter, down to 0. A missing one stays missing, unless there is an
    /// [`initial`](Command::initial) value.
    #[must_use]
    pub const fn decrement(key: &'a [u8], delta: u64) -> Command<'a> {
        Command::of(Opcode::DECREMENT, key, &[], counter(delta))
    }

    /// Deletes everything, now (0) or at a time as for [`Command::expiration`].
    #[must_use]
    pub const fn flush(when: u32) -> Command<'a> {
        let expiration = match when {
            0 => None,
            when => Some(when),
        };
        let extras = Extras::Flush(FlushExtras { expiration });
        Command::of(Opcode::FLUSH, &[], &[], extras)
    }

    /// Does nothing, and is answered.
    #[must_use]
    pub const fn noop() -> Command<'a> {
        Command::custom(Opcode::NOOP)
    }

    /// Asks for the server's version.
    #[must_use]
    pub const fn version() -> Command<'a> {
        Command::custom(Opcode::VERSION)
    }

    /// Asks for a group of statistics; the empty one is the general group.
    #[must_use]
    pub const fn stat(group: &'a [u8]) -> Command<'a> {
        Command::of(Opcode::STAT, group, &[], Extras::Raw(&[]))
    }

    /// Sets how much the server logs.
    #[must_use]
    pub const fn verbosity(level: u32) -> Command<'a> {
        let extras = Extras::Verbosity(VerbosityExtras { level });
        Command::of(Opcode::VERBOSITY, &[], &[], extras)
    }

    /// The flags of the item to store.
    #[must_use]
    pub const fn flags(mut self, flags: u32) -> Command<'a> {
        if let Extras::Store(extras) = &mut self.extras {
            extras.flags = flags;
        }
        self
    }

    /// When the item expires: 0 never, up to 30 days (2592000) in seconds from now, beyond that in seconds since 1970.
    #[must_use]
    pub const fn expiration(mut self, expiration: u32) -> Command<'a> {
        match &mut self.extras {
            Extras::Counter(extras) => extras.expiration = expiration,
            Extras::Store(extras) => extras.expiration = expiration,
            Extras::Touch(extras) => extras.expiration = expiration,
            Extras::Flush(_) | Extras::Raw(_) | Extras::Verbosity(_) => {}
        }
        self
    }

    /// The value that a missing counter is created with; it never expires, unless an
    /// [`expiration`](Command::expiration) says otherwise.
    #[must_use]
    pub const fn initial(mut self, initial: u64) -> Command<'a> {
        if let Extras::Counter(extras) = &mut self.extras {
            extras.initial = initial;
            if extras.expiration == CounterExtras::NO_CREATE {
                extras.expiration = 0;
            }
        }
        self
    }

    /// The version that the item must have; 0 for any.
    #[must_use]
    pub const fn cas(mut self, cas: u64) -> Command<'a> {
        self.cas = cas;
        self
    }

    /// The partition of the key in Couchbase, instead of the client's.
    #[must_use]
    pub const fn vbucket(mut self, vbucket: u16) -> Command<'a> {
        self.vbucket = Some(vbucket);
        self
    }

    /// What the value is.
    #[must_use]
    pub const fn datatype(mut self, datatype: DataType) -> Command<'a> {
        self.datatype = datatype;
        self
    }

    /// The fixed fields of a custom command, at most 255 bytes; instead of those that another has.
    #[must_use]
    pub const fn extras(mut self, extras: &'a [u8]) -> Command<'a> {
        self.extras = Extras::Raw(extras);
        self
    }

    /// Another key.
    #[must_use]
    pub const fn key(mut self, key: &'a [u8]) -> Command<'a> {
        self.key = key;
        self
    }

    /// Another value.
    #[must_use]
    pub const fn value(mut self, value: &'a [u8]) -> Command<'a> {
        self.value = value;
        self
    }

    /// The quiet form: answered only if it reads and hits, or fails. A command without one stays as it is.
    #[must_use]
    pub const fn quiet(mut self) -> Command<'a> {
        if let Some(quiet) = self.opcode.quiet() {
            self.opcode = quiet;
        }
        self
    }

    /// Its opcode.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The key that it is about; empty if it is about none.
    #[cfg(feature = "std")]
    pub(crate) const fn key_bytes(&self) -> &'a [u8] {
        self.key
    }

    /// What follows the key.
    pub(crate) const fn value_bytes(&self) -> &'a [u8] {
        self.value
    }

    /// As a packet; `extras` is where its extras are put, if they are not the caller's own.
    #[inline]
    pub(crate) fn request<'r>(
        &'r self,
        vbucket: u16,
        extras: &'r mut [u8; EXTRAS_LEN_MAX],
    ) -> Request<'r> {
        let len = match self.extras {
            Extras::Raw(_) => Ok(0),
            Extras::Store(fields) => fields.emit(extras),
            Extras::Touch(fields) => fields.emit(extras),
            Extras::Counter(fields) => fields.emit(extras),
            Extras::Flush(fields) => fields.emit(extras),
            Extras::Verbosity(fields) => fields.emit(extras),
        };
        let extras = match (self.extras, len) {
            (Extras::Raw(raw), _) => raw,
            // The longest of them fits.
            (_, len) => extras.get(..len.unwrap_or(0)).unwrap_or(&[]),
        };
        Request {
            datatype: self.datatype,
            vbucket: self.vbucket.unwrap_or(vbucket),
            cas: self.cas,
            extras,
            key: self.key,
            value: self.value,
            ..Request::new(self.opcode)
        }
    }
}

const NEW_ITEM: Extras<'static> = Extras::Store(StoreExtras {
    flags: 0,
    expiration: 0,
});

const fn counter(delta: u64) -> Extras<'static> {
    Extras::Counter(CounterExtras {
        delta,
        initial: 0,
        expiration: CounterExtras::NO_CREATE,
    })
}
