//! The node as a near cache: memlet's, over the same store, and the task that looks after its upstream.

use core::pin::pin;

use embassy_net::{IpAddress, IpEndpoint, Stack};
use memlet::embassy::{Upstream, delay};
use memlet::near::{NearCache, NearMemory, NearSettings, UpstreamSettings, keep_connected};
use memlet_core::store::Store;
use static_cell::ConstStaticCell;

use crate::clock::unix_time;
use crate::heartbeat;
use crate::node::{self, Node};
use crate::settings::{
    NEAR_LEN, NEAR_REQUESTS, NEAR_TTL, SOCKET_RX_LEN, SOCKET_TX_LEN, SOCKETS, UPSTREAM,
};

/// The header of a packet, in bytes.
const HEADER_LEN: usize = 24;

/// The upstream connection's buffers: TCP's and memlet's.
struct Buffers {
    rx: [u8; SOCKET_RX_LEN],
    tx: [u8; SOCKET_TX_LEN],
    input: [u8; HEADER_LEN + NEAR_LEN],
    output: [u8; HEADER_LEN + NEAR_LEN],
}

/// Makes the near cache, once: every connection may wait.
pub(crate) fn cache(
    store: Store<&'static mut [u8]>,
) -> NearCache<'static, Store<&'static mut [u8]>> {
    static MEMORY: ConstStaticCell<NearMemory<SOCKETS, NEAR_REQUESTS, NEAR_LEN>> =
        ConstStaticCell::new(NearMemory::new());

    let mut settings = NearSettings::default();
    settings.ttl = NEAR_TTL;
    NearCache::new(store, MEMORY.take(), settings).with_figures(figure)
}

/// What `stat` tells of the device, beside what the near cache has counted.
fn figure(position: u32) -> Option<(&'static str, u64)> {
    Some(match position {
        0 => ("uptime", embassy_time::Instant::now().as_secs()),
        1 => ("curr_connections", node::connections_open()),
        2 => ("total_connections", node::connections_accepted()),
        _ => return node::figure(position - 3),
    })
}

/// Keeps the near cache connected to its upstream.
#[embassy_executor::task]
pub(crate) async fn run(stack: Stack<'static>, node: &'static Node) -> ! {
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers {
        rx: [0; SOCKET_RX_LEN],
        tx: [0; SOCKET_TX_LEN],
        input: [0; HEADER_LEN + NEAR_LEN],
        output: [0; HEADER_LEN + NEAR_LEN],
    });

    let Buffers {
        rx,
        tx,
        input,
        output,
    } = BUFFERS.take();
    let (address, port) = UPSTREAM;
    let endpoint = IpEndpoint::new(IpAddress::Ipv4(address.into()), port);
    let upstream = Upstream::new(stack, endpoint, rx, tx);
    let mut settings = UpstreamSettings::default();
    settings.client.unread_len_max = SOCKET_RX_LEN;
    let task = keep_connected(node, upstream, input, output, &settings, unix_time, delay);
    heartbeat::watch(pin!(task)).await
}
