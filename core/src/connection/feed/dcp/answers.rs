//! Answers of the producer: what each is to, and what comes of it.

use super::consumer::{Core, Phase, Step};
use super::ledger::Asked;
use super::stream::find;
use super::{DcpEvent, DcpFailure, DcpNext, DcpSetting, DcpStream, DcpStreamState};
use crate::counters::Tally;
use crate::dcp::{Reply, ReplyBody, VbucketSeqnos};
use crate::wire::{Opcode, Packet, ParseErrorKind, Status};

/// What the properties that the options ask for put into their half of the opaque.
pub(super) const WINDOW: u16 = 1;
pub(super) const NOOP: u16 = 2;
pub(super) const NOOP_INTERVAL: u16 = 3;

impl<T: Tally> Core<T> {
    pub(super) fn handle_reply<'i>(
        &mut self,
        streams: &mut [DcpStream],
        packet: &Packet<'i>,
        len: u64,
    ) -> Step<'i> {
        let Packet { opcode, opaque, .. } = *packet;
        let answered = match Reply::parse(packet) {
            Ok(reply) => self.answered(streams, &reply),
            Err(error) if error.kind == ParseErrorKind::ForeignOpcode => match opcode {
                Opcode::GET_ALL_VB_SEQNOS => self.vbucket_seqnos_answered(packet).map(Some),
                _ => Err(unexpected(opcode, opaque)),
            },
            Err(error) => Err(DcpFailure::Message { opcode, error }),
        };
        let status = Status(packet.vbucket_or_status);
        self.tally.received(opcode, status, len, answered.is_err());
        match answered {
            Ok(Some(event)) => Step::Next(DcpNext::Event(event), 0),
            Ok(None) => Step::Continue,
            Err(failure) => failure.into(),
        }
    }

    /// Finds what a reply answers; `None` when that is no event.
    fn answered<'i>(
        &mut self,
        streams: &mut [DcpStream],
        reply: &Reply<'i>,
    ) -> Result<Option<DcpEvent<'i>>, DcpFailure> {
        match reply.opcode {
            Opcode::DCP_OPEN => self.open_answered(reply).map(Some),
            Opcode::DCP_CONTROL => self.control_answered(reply),
            Opcode::DCP_GET_FAILOVER_LOG => self.failover_log_answered(reply).map(Some),
            Opcode::DCP_ADD_STREAM => self.stream_added(reply).map(Some),
            Opcode::DCP_STREAM_REQ => self.stream_answered(streams, reply).map(Some),
            Opcode::DCP_CLOSE_STREAM => self.close_answered(streams, reply).map(Some),
            Opcode::DCP_BUFFER_ACK | Opcode::DCP_SEQNO_ACKNOWLEDGED => {
                let Reply { opcode, status, .. } = *reply;
                let is_refused = status != Status::SUCCESS;
                Ok(is_refused.then_some(DcpEvent::Refused { opcode, status }))
            }
            opcode => Err(unexpected(opcode, reply.opaque)),
        }
    }

    fn open_answered<'i>(&mut self, reply: &Reply<'i>) -> Result<DcpEvent<'i>, DcpFailure> {
        self.ledger
            .answer(Asked::Open, reply.opcode, reply.opaque)?;
        if reply.status != Status::SUCCESS {
            return Err(DcpFailure::OpenRefused(reply.status));
        }
        self.phase = Phase::Open;
        Ok(DcpEvent::Opened)
    }

    fn control_answered<'i>(
        &mut self,
        reply: &Reply<'i>,
    ) -> Result<Option<DcpEvent<'i>>, DcpFailure> {
        let Reply { opaque, status, .. } = *reply;
        let own = self.ledger.answer(Asked::Control, reply.opcode, opaque)?;
        let is_success = status == Status::SUCCESS;
        let setting = match own {
            WINDOW => {
                if is_success {
                    self.flow.switch_on();
                }
                DcpSetting::Window
            }
            NOOP => {
                self.has_noop = is_success;
                DcpSetting::Noop
            }
            NOOP_INTERVAL => {
                // The producer's own interval is not known then.
                self.has_noop &= is_success;
                DcpSetting::NoopInterval
            }
            _ => DcpSetting::Other { opaque },
        };
        if is_success && !matches!(setting, DcpSetting::Other { .. }) {
            return Ok(None);
        }
        Ok(Some(DcpEvent::ControlAnswered { setting, status }))
    }

    fn failover_log_answered<'i>(&mut self, reply: &Reply<'i>) -> Result<DcpEvent<'i>, DcpFailure> {
        let vbucket = self
            .ledger
            .answer(Asked::FailoverLog, reply.opcode, reply.opaque)?;
        let log = match reply.body {
            ReplyBody::FailoverLog(log) => log,
            _ => Default::default(),
        };
        Ok(DcpEvent::FailoverLog {
            vbucket,
            status: reply.status,
            log,
        })
    }

    /// The one answer that is none of the family's.
    fn vbucket_seqnos_answered<'i>(
        &mut self,
        packet: &Packet<'i>,
    ) -> Result<DcpEvent<'i>, DcpFailure> {
        let Packet { opcode, opaque, .. } = *packet;
        self.ledger.answer(Asked::VbucketSeqnos, opcode, opaque)?;
        let status = Status(packet.vbucket_or_status);
        let value = if status == Status::SUCCESS {
            packet.value
        } else {
            &[]
        };
        let seqnos =
            VbucketSeqnos::parse(value).map_err(|error| DcpFailure::Message { opcode, error })?;
        Ok(DcpEvent::VbucketSeqnos { status, seqnos })
    }

    fn stream_added<'i>(&mut self, reply: &Reply<'i>) -> Result<DcpEvent<'i>, DcpFailure> {
        let vbucket = self
            .ledger
            .answer(Asked::AddStream, reply.opcode, reply.opaque)?;
        let opaque = match reply.body {
            ReplyBody::StreamAdded { opaque } => Some(opaque),
            _ => None,
        };
        Ok(DcpEvent::StreamAdded {
            vbucket,
            status: reply.status,
            opaque,
        })
    }

    fn stream_answered<'i>(
        &mut self,
        streams: &mut [DcpStream],
        reply: &Reply<'i>,
    ) -> Result<DcpEvent<'i>, DcpFailure> {
        let slot = find(streams, reply.opaque)
            .filter(|slot| slot.state == DcpStreamState::Requested)
            .ok_or(unexpected(reply.opcode, reply.opaque))?;
        let stream = slot.stream();
        match reply.body {
            ReplyBody::FailoverLog(log) => {
                slot.opened(log.newest().map(|entry| entry.vbucket_uuid));
                self.has_streamed = true;
                let opened = &mut self.statistics.streams_opened;
                *opened = opened.saturating_add(1);
                Ok(DcpEvent::StreamOpened { stream, log })
            }
            ReplyBody::Rollback { seqno } => {
                let asked = slot.position().seqno;
                slot.ended();
                if seqno > asked {
                    return Err(DcpFailure::RollbackAhead {
                        stream,
                        asked,
                        found: seqno,
                    });
                }
                slot.rolled_back(seqno);
                Ok(DcpEvent::Rollback { stream, seqno })
            }
            ReplyBody::Plain { value } => {
                slot.ended();
                Ok(DcpEvent::StreamRefused {
                    stream,
                    status: reply.status,
                    text: value,
                })
            }
            // No answer to a stream request is read as one.
            ReplyBody::StreamAdded { .. } => Err(unexpected(reply.opcode, reply.opaque)),
        }
    }

    fn close_answered<'i>(
        &mut self,
        streams: &mut [DcpStream],
        reply: &Reply<'i>,
    ) -> Result<DcpEvent<'i>, DcpFailure> {
        let slot = find(streams, reply.opaque)
            .filter(|slot| slot.is_close_pending)
            .ok_or(unexpected(reply.opcode, reply.opaque))?;
        let (stream, status) = (slot.stream(), reply.status);
        let is_over = matches!(
            status,
            Status::SUCCESS | Status::KEY_ENOENT | Status::DCP_STREAM_NOT_FOUND
        );
        if slot.close_answered(is_over) {
            let ended = &mut self.statistics.streams_ended;
            *ended = ended.saturating_add(1);
        }
        Ok(DcpEvent::StreamClosed { stream, status })
    }
}

#[cold]
fn unexpected(opcode: Opcode, opaque: u32) -> DcpFailure {
    DcpFailure::UnexpectedReply {
        opcode,
        opaque,
        expected: None,
    }
}
