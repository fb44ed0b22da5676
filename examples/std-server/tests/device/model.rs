//! What a cache must answer, kept beside it: a pure function from an item and a request to the answer and the item after it.
//!
//! A device's seconds don't begin when ours do, and a full store drops items as it sees fit. So an item of the model may
//! be there or not, at times; the answer tells which, and nothing else is left open: what is answered must be right for
//! one of the two.

use crate::common::{Answer, Request, op, status};
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How far apart the clocks of the device and of this machine may run, beside the whole seconds that it counts in.
const SLACK: Duration = Duration::from_millis(300);

/// The time within which something happened, or will: from its earliest to its latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

impl Window {
    /// The window of what happens so many of the device's seconds after something in this one.
    fn after(self, seconds: u32) -> Self {
        Self {
            from: self.from + Duration::from_secs(u64::from(seconds).saturating_sub(1)) - SLACK,
            to: self.to + Duration::from_secs(u64::from(seconds)) + SLACK,
        }
    }
}

/// An item as the device must have it, if it has it.
#[derive(Clone, PartialEq, Eq)]
struct Item {
    value: Vec<u8>,
    flags: u32,
    /// Unknown after a quiet change, until the next answer.
    cas: Option<u64>,
    expires: Option<Window>,
    /// When a flush takes it: from when on it may, and when at the latest; never for certain if it was stored meanwhile.
    flushed: Option<(Instant, Option<Instant>)>,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = String::from_utf8_lossy(&self.value[..self.value.len().min(64)]);
        write!(
            f,
            "{{value {start:?} ({} bytes) flags {:x} cas {:x?} expires {:?} flushed {:?}}}",
            self.value.len(),
            self.flags,
            self.cas,
            self.expires,
            self.flushed
        )
    }
}

/// What is known of an item's being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    There,
    Gone,
    Open,
}

/// The answer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    status: u16,
    /// The value, for those answers whose value is more than a message.
    value: Option<Vec<u8>>,
    flags: Option<u32>,
    /// The item after it.
    after: Option<Item>,
}

/// A device's items, as they follow from all its answers so far.
#[derive(Default)]
pub(crate) struct Model {
    items: HashMap<Vec<u8>, Item>,
    /// A flush that was asked for and may not have happened yet.
    flush: Option<Window>,
    /// The store is smaller than what is put into it: any item may go at any time.
    evicts: bool,
    /// Values longer than this are refused.
    pub(crate) value_len_max: usize,
    /// Items that were gone though neither their time nor a flush was the reason.
    pub(crate) vanished: u64,
    /// Changes that a full store had no room for.
    pub(crate) refused: u64,
    /// Hits, to see that the comparison compares something.
    pub(crate) hits: u64,
    pub(crate) compared: u64,
}

/// The opcode of the form that always answers, and whether this one is quiet.
pub(crate) fn loud(opcode: u8) -> (u8, bool) {
    match opcode {
        op::GETQ => (op::GET, true),
        op::GETKQ => (op::GETK, true),
        op::GATQ => (op::GAT, true),
        op::GATKQ => (op::GATK, true),
        op::SETQ..=op::QUITQ => (opcode - 0x10, true),
        op::FLUSHQ => (op::FLUSH, true),
        op::APPENDQ => (op::APPEND, true),
        op::PREPENDQ => (op::PREPEND, true),
        _ => (opcode, false),
    }
}

impl Model {
    /// Of an empty device that refuses values longer than this; one that `evicts` drops items when it wants.
    pub(crate) fn new(evicts: bool, value_len_max: usize) -> Self {
        Self {
            evicts,
            value_len_max,
            ..Self::default()
        }
    }

    /// The CAS of an item as far as it is known.
    pub(crate) fn cas(&self, key: &[u8]) -> Option<u64> {
        self.items.get(key)?.cas
    }

    /// Whether what a silent change does to this key would be known.
    pub(crate) fn is_certain(&self, key: &[u8]) -> bool {
        let lives = |item: &Item| item.expires.is_none() && item.flushed.is_none();
        !self.evicts && self.flush.is_none() && self.items.get(key).is_none_or(lives)
    }

    /// Whether a flush is still to come.
    pub(crate) fn awaits_flush(&self) -> bool {
        self.flush.is_some()
    }

    /// Forgets everything, as a device does that starts anew.
    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.flush = None;
    }

    /// Compares one answer, or the silence, with what is due; `window` is the time in which the request was served.
    #[track_caller]
    pub(crate) fn compare(&mut self, request: &Request, answer: Option<&Answer>, window: Window) {
        self.compared += 1;
        if self.flush.is_some_and(|flush| window.from > flush.to) {
            self.flush = None;
        }
        let (opcode, quiet) = loud(request.opcode);
        if let Some(answer) = answer {
            let echoed = (answer.opcode(), answer.opaque());
            assert_eq!(echoed, (request.opcode, request.opaque), "{answer:?}");
        }
        if opcode == op::FLUSH {
            self.flush(request, window);
        }
        if matches!(opcode, op::FLUSH | op::NOOP | op::VERSION) {
            assert!(answer.map_or(quiet, |answer| !quiet && answer.status() == 0));
            return;
        }
        let presence = self.presence(&request.key, window);
        let item = self.items.remove(&request.key);
        let mut dues = Vec::new();
        if presence != Presence::Gone {
            dues.push((
                true,
                due(item.as_ref(), request, window, self.value_len_max),
            ));
        }
        if presence != Presence::There {
            dues.push((false, due(None, request, window, self.value_len_max)));
        }
        let lacks_room = |answer: &Answer| answer.status() == status::OUT_OF_MEMORY;
        if self.evicts && opcode != op::DELETE && answer.is_some_and(lacks_room) {
            // What others have begun to store is not evicted. The old item may be gone, as any may at any time.
            self.refused += 1;
            if let Some(item) = item {
                self.items.insert(request.key.clone(), item);
            }
            return;
        }
        let fits = |(_, due): &&(bool, Due)| due.fits(request, item.as_ref(), answer);
        let Some((was_there, due)) = dues.iter().find(fits) else {
            panic!(
                "{request:?}\nanswered in {window:?}\nwith {answer:?}\nwhile the item is {presence:?}: {item:?}\nand \
                 due is one of {dues:?}; flush {:?}",
                self.flush
            );
        };
        if item.is_some()
            && !was_there
            && self.presence_of(item.as_ref(), window, false) == Presence::There
        {
            self.vanished += 1;
        }
        self.hits += u64::from(due.flags.is_some());
        if let Some(after) = due.after.clone() {
            self.store(request, answer, window, after);
        }
    }

    /// Takes over the item as it is after a request.
    fn store(
        &mut self,
        request: &Request,
        answer: Option<&Answer>,
        window: Window,
        mut after: Item,
    ) {
        let opcode = loud(request.opcode).0;
        // Every answer about an item carries its CAS; a change that is not answered leaves it open.
        let is_read = matches!(opcode, op::GET | op::GETK | op::GAT | op::GATK | op::TOUCH);
        match answer {
            Some(answer) if answer.status() == 0 && answer.cas() != 0 => {
                after.cas = Some(answer.cas());
            }
            Some(answer) if answer.status() == 0 && !is_read => after.cas = None,
            None if !is_read => after.cas = None,
            _ => {}
        }
        after.flushed = self.flush.map(|flush| {
            let certain = window.to < flush.from;
            (flush.from, certain.then_some(flush.to))
        });
        self.items.insert(request.key.clone(), after);
    }

    fn presence(&self, key: &[u8], window: Window) -> Presence {
        self.presence_of(self.items.get(key), window, self.evicts)
    }

    fn presence_of(&self, item: Option<&Item>, window: Window, evicts: bool) -> Presence {
        let Some(item) = item else {
            return Presence::Gone;
        };
        let ends = [
            item.expires.map(|expires| (expires.from, Some(expires.to))),
            item.flushed,
        ];
        let mut presence = if evicts {
            Presence::Open
        } else {
            Presence::There
        };
        for (from, to) in ends.into_iter().flatten() {
            if to.is_some_and(|to| window.from >= to) {
                return Presence::Gone;
            }
            if window.to >= from {
                presence = Presence::Open;
            }
        }
        presence
    }

    fn flush(&mut self, request: &Request, window: Window) {
        let delay = request
            .extras
            .as_slice()
            .try_into()
            .map_or(0, u32::from_be_bytes);
        if delay == 0 {
            self.clear();
            return;
        }
        // It comes a second before an item of that time to live expires, and all through that second the cache looks empty.
        let mut flush = window.after(delay - 1);
        flush.to += Duration::from_secs(1);
        self.flush = Some(flush);
        for item in self.items.values_mut() {
            item.flushed = Some((flush.from, Some(flush.to)));
        }
    }
}

impl Due {
    fn status(status: u16, after: Option<&Item>) -> Self {
        Self {
            status,
            value: None,
            flags: None,
            after: after.cloned(),
        }
    }

    /// A change that succeeded.
    fn changed(after: Item) -> Self {
        Self::status(status::SUCCESS, Some(&after))
    }

    fn fits(&self, request: &Request, before: Option<&Item>, answer: Option<&Answer>) -> bool {
        let (opcode, quiet) = loud(request.opcode);
        let reads = matches!(opcode, op::GET | op::GETK | op::GAT | op::GATK);
        let is_silent = quiet && (reads != (self.status == status::SUCCESS));
        let Some(answer) = answer else {
            return is_silent;
        };
        if is_silent || answer.status() != self.status {
            return false;
        }
        if self.status != status::SUCCESS {
            return true;
        }
        if reads && matches!(opcode, op::GETK | op::GATK) && answer.key() != request.key {
            return false;
        }
        let changes = !reads && opcode != op::DELETE && opcode != op::TOUCH;
        if changes
            && (answer.cas() == 0 || before.is_some_and(|item| item.cas == Some(answer.cas())))
        {
            return false;
        }
        if reads && before.is_some_and(|item| item.cas.is_some_and(|cas| cas != answer.cas())) {
            return false;
        }
        self.value
            .as_ref()
            .is_none_or(|value| answer.value() == value)
            && self.flags.is_none_or(|flags| answer.flags() == flags)
    }
}

/// The answer to a request on one item, or on none.
fn due(item: Option<&Item>, request: &Request, window: Window, value_len_max: usize) -> Due {
    let (opcode, _) = loud(request.opcode);
    let differs = |item: &Item| request.cas != 0 && item.cas != Some(request.cas);
    match (opcode, item) {
        (op::GET | op::GETK | op::GAT | op::GATK, Some(item)) => {
            let mut after = item.clone();
            if opcode == op::GAT || opcode == op::GATK {
                after.expires = expiration(request, window);
            }
            Due {
                status: status::SUCCESS,
                value: Some(item.value.clone()),
                flags: Some(item.flags),
                after: Some(after),
            }
        }
        (op::SET | op::ADD | op::REPLACE, _) if request.value.len() > value_len_max => {
            // A SET that is refused takes the old value along.
            Due::status(status::TOO_BIG, item.filter(|_| opcode != op::SET))
        }
        (op::ADD, Some(item)) => Due::status(status::EXISTS, Some(item)),
        (op::INCREMENT | op::DECREMENT, Some(item)) if item.value.is_empty() => {
            // Even before its CAS is looked at.
            Due::status(status::DELTA_BAD_VALUE, Some(item))
        }
        (
            op::SET
            | op::REPLACE
            | op::APPEND
            | op::PREPEND
            | op::DELETE
            | op::INCREMENT
            | op::DECREMENT,
            Some(item),
        ) if differs(item) => Due::status(status::EXISTS, Some(item)),
        (op::SET, None) if request.cas != 0 => Due::status(status::NOT_FOUND, None),
        (op::SET | op::REPLACE, Some(_)) | (op::SET | op::ADD, None) => Due::changed(Item {
            value: request.value.clone(),
            flags: u32::from_be_bytes(request.extras[..4].try_into().unwrap()),
            cas: None,
            expires: expiration(request, window),
            flushed: None,
        }),
        (op::APPEND | op::PREPEND, None) => Due::status(status::NOT_STORED, None),
        (op::APPEND, Some(item)) => Due::changed(Item {
            value: [&item.value[..], &request.value].concat(),
            ..item.clone()
        }),
        (op::PREPEND, Some(item)) => Due::changed(Item {
            value: [&request.value[..], &item.value].concat(),
            ..item.clone()
        }),
        (op::DELETE, Some(_)) => Due::status(status::SUCCESS, None),
        (op::TOUCH, Some(item)) => Due::changed(Item {
            expires: expiration(request, window),
            ..item.clone()
        }),
        (op::INCREMENT | op::DECREMENT, _) => counter(item, request, window),
        _ => Due::status(status::NOT_FOUND, None),
    }
}

/// The answer to INCREMENT and DECREMENT.
fn counter(item: Option<&Item>, request: &Request, window: Window) -> Due {
    let number = |at: usize| u64::from_be_bytes(request.extras[at..at + 8].try_into().unwrap());
    let (delta, initial) = (number(0), number(8));
    let Some(item) = item else {
        if request.extras[16..] == [0xff; 4] {
            return Due::status(status::NOT_FOUND, None);
        }
        let created = Item {
            value: initial.to_string().into_bytes(),
            flags: 0,
            cas: None,
            expires: expiration(request, window),
            flushed: None,
        };
        return Due {
            value: Some(initial.to_be_bytes().to_vec()),
            ..Due::changed(created)
        };
    };
    let Some(old) = number_in(&item.value) else {
        return Due::status(status::DELTA_BAD_VALUE, Some(item));
    };
    let new = if loud(request.opcode).0 == op::INCREMENT {
        old.wrapping_add(delta)
    } else {
        old.saturating_sub(delta)
    };
    // A number that has become shorter stays in its place, with blanks behind it.
    let value = format!("{new:<width$}", width = item.value.len()).into_bytes();
    Due {
        value: Some(new.to_be_bytes().to_vec()),
        ..Due::changed(Item {
            value,
            ..item.clone()
        })
    }
}

/// The number that a value begins with: nothing but white space may follow right behind it.
fn number_in(value: &[u8]) -> Option<u64> {
    let digits = value
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, rest) = value.split_at(digits);
    let is_number = rest.first().is_none_or(u8::is_ascii_whitespace);
    let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    digits.parse().ok()
}

/// When an item stored or touched by this request in this window expires.
fn expiration(request: &Request, window: Window) -> Option<Window> {
    let seconds = request
        .extras
        .last_chunk::<4>()
        .copied()
        .map_or(0, u32::from_be_bytes);
    (seconds != 0).then(|| window.after(seconds))
}
