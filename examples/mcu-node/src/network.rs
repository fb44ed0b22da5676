//! TCP/IP: the stack, and a task for each socket.

use core::cell::RefCell;
use core::pin::pin;

use embassy_executor::{SpawnError, SpawnToken, Spawner};
use embassy_net::{Config, IpEndpoint, Runner, Stack, StackResources};
use embassy_time::{Duration, Timer};
use memlet::embassy::{AcceptOptions, Buffers, Ended, Observer, accept};
use static_cell::{ConstStaticCell, StaticCell};

use crate::board::{Board, ThisBoard};
use crate::clock::unix_time;
use crate::heartbeat;
use crate::node::{Device, Node};
use crate::settings::{self, INPUT_LEN, OUTPUT_LEN, PORT, SOCKET_RX_LEN, SOCKET_TX_LEN, SOCKETS};

type Network = <ThisBoard as Board>::Network;

/// Sockets that are not for clients: DHCP's and the echo's.
const OTHER_SOCKETS: usize = cfg!(feature = "dhcp") as usize
    + cfg!(feature = "echo") as usize
    + cfg!(feature = "near") as usize;

/// TCP's buffers of one socket.
struct SocketBuffers {
    rx: [u8; SOCKET_RX_LEN],
    tx: [u8; SOCKET_TX_LEN],
}

/// Where answers are made, for all connections.
type Output = RefCell<[u8; OUTPUT_LEN]>;

/// Starts the stack and everything that listens.
pub(crate) fn start(spawner: Spawner, network: Network, seed: u64, node: &'static Node) {
    static RESOURCES: StaticCell<StackResources<{ SOCKETS + OTHER_SOCKETS }>> = StaticCell::new();
    static SOCKET_BUFFERS: ConstStaticCell<[SocketBuffers; SOCKETS]> = ConstStaticCell::new(
        [const {
            SocketBuffers {
                rx: [0; SOCKET_RX_LEN],
                tx: [0; SOCKET_TX_LEN],
            }
        }; SOCKETS],
    );
    static INPUTS: ConstStaticCell<[[u8; INPUT_LEN]; SOCKETS]> =
        ConstStaticCell::new([[0; INPUT_LEN]; SOCKETS]);
    static OUTPUT: ConstStaticCell<Output> = ConstStaticCell::new(RefCell::new([0; OUTPUT_LEN]));
    static OPTIONS: StaticCell<AcceptOptions> = StaticCell::new();

    let resources = RESOURCES.init_with(StackResources::new);
    let (stack, runner) = embassy_net::new(network, config(), resources, seed);
    spawn(spawner, run(runner));
    let options = OPTIONS.init(accept_options());
    let output = OUTPUT.take();
    for (socket, input) in SOCKET_BUFFERS.take().iter_mut().zip(INPUTS.take()) {
        spawn(spawner, serve(stack, node, options, socket, input, output));
    }
    #[cfg(feature = "echo")]
    spawn(spawner, echo::run(stack));
    #[cfg(feature = "near")]
    spawn(spawner, crate::near::run(stack, node));
    spawn(spawner, watch_link(stack));
}

fn accept_options() -> AcceptOptions {
    let mut options = AcceptOptions::default();
    options.idle_after = Some(Duration::from_secs(settings::IDLE_SECONDS));
    options.unread_after = Some(Duration::from_secs(settings::UNREAD_SECONDS));
    options.keep_alive = Some(Duration::from_secs(settings::KEEP_ALIVE_SECONDS));
    options.vanished_after = Some(Duration::from_secs(settings::VANISHED_SECONDS));
    options
}

/// Starts a task; each is started once for every place in its pool.
fn spawn<S>(spawner: Spawner, token: Result<SpawnToken<S>, SpawnError>) {
    if let Ok(token) = token {
        spawner.spawn(token);
    }
}

#[cfg(not(feature = "dhcp"))]
fn config() -> Config {
    use embassy_net::{Ipv4Cidr, StaticConfigV4};
    Config::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(settings::ADDRESS.into(), settings::ADDRESS_PREFIX_LEN),
        gateway: Some(settings::GATEWAY.into()),
        dns_servers: Default::default(),
    })
}

#[cfg(feature = "dhcp")]
fn config() -> Config {
    Config::dhcpv4(Default::default())
}

#[embassy_executor::task]
async fn run(mut runner: Runner<'static, Network>) -> ! {
    heartbeat::watch(pin!(runner.run())).await
}

/// Says when the node can be reached for the first time, and counts for `stat` how often the cable was out.
#[embassy_executor::task]
async fn watch_link(stack: Stack<'static>) {
    stack.wait_link_up().await;
    stack.wait_config_up().await;
    // Every task has had its turn by then, so all sockets listen.
    Timer::after(Duration::from_millis(1)).await;
    crate::say_ready();
    loop {
        stack.wait_link_down().await;
        Device::note_link_lost();
        #[cfg(feature = "defmt")]
        defmt::warn!("the cable is out");
        stack.wait_link_up().await;
        #[cfg(feature = "defmt")]
        defmt::info!("the cable is in");
    }
}

#[embassy_executor::task(pool_size = SOCKETS)]
async fn serve(
    stack: Stack<'static>,
    node: &'static Node,
    options: &'static AcceptOptions,
    socket: &'static mut SocketBuffers,
    input: &'static mut [u8; INPUT_LEN],
    output: &'static Output,
) {
    let buffers = Buffers {
        receive: &mut socket.rx,
        transmit: &mut socket.tx,
        input,
        output,
    };
    let accept = accept(stack, PORT, buffers, node, options, unix_time, &Connections);
    heartbeat::watch(pin!(accept)).await;
    // It ends only if the settings are of no use.
    ThisBoard::print("port or buffers are of no use\n");
    ThisBoard::fail()
}

/// Counts them for `stat`.
struct Connections;

impl Observer for Connections {
    fn opened(&self, _: Option<IpEndpoint>) {
        Device::note_opened();
    }

    fn closed(&self, _: Ended) {
        Device::note_closed();
    }
}

/// A plain echo, to compare round trips with.
#[cfg(feature = "echo")]
mod echo {
    use super::*;
    use embassy_net::tcp::TcpSocket;
    use embedded_io_async::Write;

    const PORT: u16 = 7;

    #[embassy_executor::task]
    pub(super) async fn run(stack: Stack<'static>) -> ! {
        static BUFFERS: ConstStaticCell<(SocketBuffers, [u8; INPUT_LEN])> = ConstStaticCell::new((
            SocketBuffers {
                rx: [0; SOCKET_RX_LEN],
                tx: [0; SOCKET_TX_LEN],
            },
            [0; INPUT_LEN],
        ));
        let (socket, buffer) = BUFFERS.take();
        let mut socket = TcpSocket::new(stack, &mut socket.rx, &mut socket.tx);
        heartbeat::watch(pin!(async {
            loop {
                if socket.accept(PORT).await.is_ok() {
                    while let Ok(len @ 1..) = socket.read(buffer).await {
                        if socket.write_all(&buffer[..len]).await.is_err() {
                            break;
                        }
                    }
                }
                socket.abort();
                let _ = socket.flush().await;
            }
        }))
        .await
    }
}
