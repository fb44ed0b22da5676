//! Datagrams of IP that came in fragments, put together in bounded memory.

use std::collections::VecDeque;
use std::net::IpAddr;

use etherparse::defrag::IpDefragBuf;
use etherparse::{IpFragOffset, IpNumber, Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket};

/// Datagrams that are put together at once; each has at most 64 KiB. The oldest goes first.
const DATAGRAMS_MAX: usize = 64;

/// Which datagram a fragment belongs to, and where in it.
pub(super) struct FragmentId {
    key: Key,
    ip_number: IpNumber,
    offset: IpFragOffset,
    more: bool,
}

#[derive(PartialEq, Eq)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    identification: u32,
    protocol: u8,
}

impl FragmentId {
    pub(super) fn of(sliced: &LaxSlicedPacket<'_>, src: IpAddr, dst: IpAddr) -> Option<Self> {
        let (identification, offset, more, ip_number) = match sliced.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => (
                ip.header().identification().into(),
                ip.header().fragments_offset(),
                ip.header().more_fragments(),
                ip.payload().ip_number,
            ),
            LaxNetSlice::Ipv6(ip) => {
                let mut extensions = ip.extensions().clone().into_iter();
                let header = extensions.find_map(|extension| match extension {
                    Ipv6ExtensionSlice::Fragment(header) => Some(header.to_header()),
                    _ => None,
                })?;
                (
                    header.identification,
                    header.fragment_offset,
                    header.more_fragments,
                    ip.payload().ip_number,
                )
            }
            LaxNetSlice::Arp(_) => return None,
        };
        Some(FragmentId {
            key: Key {
                src,
                dst,
                identification,
                protocol: ip_number.0,
            },
            ip_number,
            offset,
            more,
        })
    }
}

#[derive(Default)]
pub(super) struct Fragments {
    /// In the order in which their first fragments came.
    waiting: VecDeque<(Key, IpDefragBuf)>,
}

impl Fragments {
    /// Takes a fragment, and gives the datagram's payload once it is whole.
    ///
    /// # Errors
    /// Fragments that contradict one another; the datagram is given up.
    pub(super) fn add(
        &mut self,
        fragment: FragmentId,
        payload: &[u8],
    ) -> Result<Option<Vec<u8>>, String> {
        let FragmentId {
            key,
            ip_number,
            offset,
            more,
        } = fragment;
        let at = match self.waiting.iter().position(|(other, _)| *other == key) {
            Some(at) => at,
            None => {
                if self.waiting.len() == DATAGRAMS_MAX {
                    self.waiting.pop_front();
                }
                let buffer = IpDefragBuf::new(ip_number, Vec::new(), Vec::new());
                self.waiting.push_back((key, buffer));
                self.waiting.len() - 1
            }
        };
        let Some((_, buffer)) = self.waiting.get_mut(at) else {
            return Ok(None);
        };
        if let Err(error) = buffer.add(offset, more, payload) {
            self.waiting.remove(at);
            return Err(format!("fragments that do not fit together: {error}"));
        }
        if !buffer.is_complete() {
            return Ok(None);
        }
        let whole = self.waiting.remove(at);
        Ok(whole.map(|(_, buffer)| buffer.take_bufs().0))
    }
}
