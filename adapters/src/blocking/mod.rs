//! A client over anything that reads and writes and blocks, the feeds of changes ([`DcpFeed`], [`TapFeed`]), and the
//! server's side of a connection: [`serve()`].
//!
//! [`Client`] speaks to one server over one stream: any type that implements the traits of `embedded-io`, be it a socket
//! of std (`memlet::std::connect`, with the feature `std`), a UART, or a microcontroller's TCP stack. It writes each
//! request, or each batch of requests, in one go, and checks every reply against what it asked
//! ([`memlet_core::connection::client`]). After the first reply that does not fit, or the first failure of the transport,
//! it is of no more use: [`Client::is_healthy`].
//!
//! ```
//! # #[cfg(feature = "std")] {
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use memlet::std::{Cache, CacheOptions, Listen, Server, ServerOptions};
//! # let mut options = ServerOptions::default();
//! # options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
//! # let cache = Cache::new(CacheOptions::default())?;
//! # let server = Server::bind(options)?;
//! # let Listen::Tcp(address) = server.addresses()[0] else { panic!() };
//! # let handle = server.handle();
//! # let thread = std::thread::spawn(move || server.run(&cache));
//! use memlet::client::Command;
//! use memlet::std::{ConnectOptions, connect};
//!
//! let mut client = connect(address, &ConnectOptions::default())?;
//! client.set(b"greeting", b"hello")?;
//! client.store(&Command::set(b"answer", b"42").flags(7).expiration(3600))?;
//! if let Some(item) = client.get(b"answer")? {
//!     assert_eq!((item.value, item.flags), (&b"42"[..], 7));
//! }
//! let keys = [&b"greeting"[..], b"nothing", b"answer"];
//! let items = client.get_many(&keys)?;
//! assert_eq!(items.iter().flatten().count(), 2);
//! # handle.drain();
//! # drop(client);
//! # thread.join().unwrap()?;
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # Memory
//! The caller gives the buffers. With `alloc` they are `Vec`s that grow to the longest packet. Of fixed size they must
//! hold the front of any packet: [`Client::BUFFER_LEN_MIN`]. A longer value is sent from where it is, and received with
//! [`Client::get_pieces`] or [`Client::get_into`].
//!
//! # What an error leaves
//! [`Error::is_fatal`](crate::client::Error::is_fatal) says whether the client is of no more use. A refusal by the server
//! and a request that could not be sent leave it as it was.

mod batch;
mod client;
mod commands;
mod couchbase;
mod dcp;
mod serve;
mod tap;
mod update;

pub use client::Client;
pub use dcp::DcpFeed;
pub use serve::{Connection, serve};
pub use tap::TapFeed;
