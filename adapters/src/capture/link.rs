//! Frames to TCP segments and UDP datagrams.

use std::net::{IpAddr, SocketAddr};

use etherparse::{
    EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket, TcpSlice, TransportSlice, UdpSlice,
};

use super::file::Frame;
use super::fragments::{FragmentId, Fragments};

/// What is in a frame for us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
    pub(super) transport: Transport,
    pub(super) payload: &'a [u8],
    /// Bytes of the payload that were on the wire and are not in the file.
    pub(super) missing: usize,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Transport {
    Tcp(Tcp),
    Udp,
}

/// The numbers of a TCP header that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) sequence: u32,
    /// What the sender has of the other direction, if it says.
    pub(super) acknowledged: Option<u32>,
    pub(super) syn: bool,
    pub(super) rst: bool,
}

/// Numbers of link types, as tcpdump.org lists them.
mod link_type {
    pub(super) const NULL: i32 = 0;
    pub(super) const ETHERNET: i32 = 1;
    pub(super) const RAW: [i32; 5] = [12, 14, 101, 228, 229];
    pub(super) const LOOP: i32 = 108;
    pub(super) const LINUX_SLL: i32 = 113;
    pub(super) const LINUX_SLL2: i32 = 276;
}

/// Calls `sink` with the segment or datagram in a frame, whole again if it came in fragments.
///
/// # Errors
/// What is wrong with the frame, in words. Frames of other protocols are no error.
pub(super) fn dissect(
    frame: &Frame<'_>,
    fragments: &mut Fragments,
    sink: &mut dyn FnMut(Segment<'_>),
) -> Result<(), String> {
    let sliced = slice(frame.link, frame.bytes)?;
    let (src, dst): (IpAddr, IpAddr) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        Some(LaxNetSlice::Ipv6(ip)) => (
            ip.header().source_addr().into(),
            ip.header().destination_addr().into(),
        ),
        _ => return stopped(&sliced),
    };
    let Some(ip) = sliced.net.as_ref().and_then(LaxNetSlice::ip_payload_ref) else {
        return stopped(&sliced);
    };
    if !matches!(ip.ip_number, IpNumber::TCP | IpNumber::UDP) {
        return Ok(());
    }
    if ip.fragmented {
        let Some(id) = FragmentId::of(&sliced, src, dst) else {
            return stopped(&sliced);
        };
        let Some(whole) = fragments.add(id, ip.payload)? else {
            return Ok(());
        };
        return match ip.ip_number {
            IpNumber::TCP => {
                let tcp = TcpSlice::from_slice(&whole).map_err(|error| error.to_string())?;
                sink(of_tcp(&tcp, src, dst, 0));
                Ok(())
            }
            _ => {
                let udp = UdpSlice::from_slice_lax(&whole).map_err(|error| error.to_string())?;
                sink(of_udp(&udp, src, dst, 0));
                Ok(())
            }
        };
    }
    let missing = if ip.incomplete { frame.missing } else { 0 };
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => sink(of_tcp(tcp, src, dst, missing)),
        Some(TransportSlice::Udp(udp)) => sink(of_udp(udp, src, dst, missing)),
        _ => return stopped(&sliced),
    }
    Ok(())
}

fn of_tcp<'a>(tcp: &TcpSlice<'a>, src: IpAddr, dst: IpAddr, missing: usize) -> Segment<'a> {
    Segment {
        src: SocketAddr::new(src, tcp.source_port()),
        dst: SocketAddr::new(dst, tcp.destination_port()),
        transport: Transport::Tcp(Tcp {
            sequence: tcp.sequence_number(),
            acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
            syn: tcp.syn(),
            rst: tcp.rst(),
        }),
        payload: tcp.payload(),
        missing,
    }
}

fn of_udp<'a>(udp: &UdpSlice<'a>, src: IpAddr, dst: IpAddr, missing: usize) -> Segment<'a> {
    Segment {
        src: SocketAddr::new(src, udp.source_port()),
        dst: SocketAddr::new(dst, udp.destination_port()),
        transport: Transport::Udp,
        payload: udp.payload(),
        missing,
    }
}

/// Why there is nothing of ours: another protocol, or a frame that cannot be read.
fn stopped(sliced: &LaxSlicedPacket<'_>) -> Result<(), String> {
    match &sliced.stop_err {
        Some((error, layer)) => Err(format!("{layer}: {error}")),
        None => Ok(()),
    }
}

fn slice(link: i32, bytes: &[u8]) -> Result<LaxSlicedPacket<'_>, String> {
    let short = || {
        format!(
            "a frame of {} bytes, shorter than its link's header",
            bytes.len()
        )
    };
    let behind = |len: usize| bytes.get(len..).ok_or_else(short);
    let ether_type = |at: usize| match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(EtherType(u16::from_be_bytes([high, low]))),
        _ => Err(short()),
    };
    let ip = |bytes| LaxSlicedPacket::from_ip(bytes).map_err(|error| error.to_string());
    match link {
        link_type::ETHERNET => {
            LaxSlicedPacket::from_ethernet(bytes).map_err(|error| error.to_string())
        }
        link_type::LINUX_SLL => Ok(LaxSlicedPacket::from_ether_type(
            ether_type(14)?,
            behind(16)?,
        )),
        link_type::LINUX_SLL2 => Ok(LaxSlicedPacket::from_ether_type(
            ether_type(0)?,
            behind(20)?,
        )),
        // The address family in front is the sender's number, in its byte order; the version of IP says as much.
        link_type::NULL | link_type::LOOP => ip(behind(4)?),
        link if link_type::RAW.contains(&link) => ip(bytes),
        _ => Err(format!("frames of link type {link} are not known")),
    }
}
