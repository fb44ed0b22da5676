//! A capture in figures.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use memlet_core::wire::{Magic, Opcode, Status};

use super::event::{Event, Record};
use super::session::{Unanswered, is_get};
use super::top::TopKeys;

/// Keys that are counted; the frequencies of those that make up more than a thousandth are right to a thousandth.
const TOP_KEYS: usize = 1000;
/// Longer latencies count as this, in nanoseconds: an hour.
const LATENCY_MAX: u64 = 3_600_000_000_000;

/// What is counted of one command. Memory is bounded: about 40 KiB for each opcode that has answers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpcodeStatistics {
    /// Requests.
    pub requests: u64,
    /// Responses.
    pub responses: u64,
    /// Bytes of requests, headers included.
    pub request_bytes: u64,
    /// Bytes of responses, headers included.
    pub response_bytes: u64,
    /// Quiet requests that silence has answered.
    pub silent: u64,
    /// Requests whose answer is not in the capture.
    pub lost: u64,
    /// Nanoseconds from requests to their responses, to two digits.
    pub latency: Option<Histogram<u64>>,
}

/// A capture in figures; fed with the events of a [`Decoder`](super::Decoder).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// By opcode, those that servers send to clients (`true`) behind the others.
    pub opcodes: BTreeMap<(bool, Opcode), OpcodeStatistics>,
    /// Responses by status, without success.
    pub errors: BTreeMap<Status, u64>,
    /// Gets that found an item.
    pub hits: u64,
    /// Gets that found none, quiet ones included.
    pub misses: u64,
    /// Streams with at least one packet.
    pub streams: u64,
    /// Notices by kind.
    pub notices: BTreeMap<super::NoticeKind, u64>,
    /// Packets of which a part is not there.
    pub cut: u64,
    /// When the first and the last packet came, in nanoseconds since 1970.
    pub times: Option<(u64, u64)>,
    /// Keys of requests.
    pub keys: TopKeys,
}

impl Default for Statistics {
    fn default() -> Self {
        Statistics {
            opcodes: BTreeMap::new(),
            errors: BTreeMap::new(),
            hits: 0,
            misses: 0,
            streams: 0,
            notices: BTreeMap::new(),
            cut: 0,
            times: None,
            keys: TopKeys::new(TOP_KEYS),
        }
    }
}

impl Statistics {
    /// Counts an event.
    pub fn note(&mut self, event: &Event<'_>) {
        match event {
            Event::Packet(record) => self.packet(record),
            Event::Silence(silence) => {
                let of_opcode = self.of(silence.asked.magic, silence.asked.opcode);
                match silence.meaning {
                    Unanswered::Lost => of_opcode.lost += 1,
                    _ => of_opcode.silent += 1,
                }
                if silence.meaning == Unanswered::Miss {
                    self.misses += 1;
                }
            }
            Event::Notice(notice) => *self.notices.entry(notice.kind).or_default() += 1,
        }
    }

    /// Gets that found an item, of all that are answered; `None` when there are none.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let gets = self.hits + self.misses;
        (gets > 0).then(|| self.hits as f64 / gets as f64)
    }

    fn packet(&mut self, record: &Record<'_>) {
        self.streams = self.streams.max(record.way.stream + 1);
        self.cut += u64::from(record.missing > 0);
        let (first, last) = self.times.unwrap_or((record.time, record.time));
        self.times = Some((first.min(record.time), last.max(record.time)));
        let header = &record.header;
        let is_response = header.magic.is_response();
        let of_opcode = self.of(header.magic, header.opcode);
        if !is_response {
            of_opcode.requests += 1;
            of_opcode.request_bytes += header.packet_len();
            let key = record.packet().key;
            if !key.is_empty() {
                self.keys.note(key);
            }
            return;
        }
        of_opcode.responses += 1;
        of_opcode.response_bytes += header.packet_len();
        if let Some(latency) = record.latency() {
            let histogram = of_opcode.latency.get_or_insert_with(|| {
                Histogram::new_with_bounds(1, LATENCY_MAX, 2)
                    .unwrap_or_else(|_| unreachable!("the bounds are sane"))
            });
            histogram.saturating_record(latency.max(1));
        }
        let status = Status(header.vbucket_or_status);
        if status != Status::SUCCESS {
            *self.errors.entry(status).or_default() += 1;
        }
        if is_get(header.opcode) {
            self.hits += u64::from(status == Status::SUCCESS);
            self.misses += u64::from(status.is_not_found());
        }
    }

    fn of(&mut self, magic: Magic, opcode: Opcode) -> &mut OpcodeStatistics {
        let key = (magic.is_server_initiated(), opcode);
        self.opcodes.entry(key).or_insert_with(|| OpcodeStatistics {
            requests: 0,
            responses: 0,
            request_bytes: 0,
            response_bytes: 0,
            silent: 0,
            lost: 0,
            latency: None,
        })
    }
}
