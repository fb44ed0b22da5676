//! A client over anything that reads and writes and is awaited, the feeds of changes ([`TapFeed`], [`DcpFeed`]), and the
//! server's side of a connection, [`serve()`], or of a line without connections, [`serve_serial`].
//!
//! [`Client`] is the client of `memlet::blocking` for any executor: its stream is any type that implements the traits of
//! `embedded-io-async`. Those of embassy do so themselves (`embassy_net::tcp::TcpSocket`); tokio's and others' do through
//! the crate `embedded-io-adapters`. Neither std nor a heap is needed.
//!
//! ```
//! # #[cfg(feature = "std")] {
//! # use memlet::std::{Cache, CacheOptions, Listen, Server, ServerOptions};
//! # let mut options = ServerOptions::default();
//! # options.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
//! # let cache = Cache::new(CacheOptions::default()).unwrap();
//! # let server = Server::bind(options).unwrap();
//! # let Listen::Tcp(address) = server.addresses()[0] else { panic!() };
//! # let handle = server.handle();
//! # let thread = std::thread::spawn(move || server.run(&cache));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # let done: Result<(), Box<dyn std::error::Error>> = runtime.block_on(async {
//! use std::time::Duration;
//!
//! use embedded_io_adapters::tokio_1::FromTokio;
//! use memlet::asynch::Client;
//! use memlet::client::Command;
//! use tokio::net::TcpStream;
//! use tokio::time::timeout;
//!
//! let stream = timeout(Duration::from_secs(1), TcpStream::connect(address)).await??;
//! let mut client = Client::new(FromTokio::new(stream));
//! client.set(b"greeting", b"hello").await?;
//! client.store(&Command::set(b"answer", b"42").flags(7).expiration(3600)).await?;
//! // Whether or not its time is over, the client may be used again.
//! let item = timeout(Duration::from_secs(1), client.get(b"answer")).await??;
//! assert_eq!(item.map(|item| item.flags), Some(7));
//! # handle.drain();
//! # drop(client);
//! # Ok(())
//! # });
//! # done.unwrap();
//! # thread.join().unwrap().unwrap();
//! # }
//! ```
//!
//! # Time
//! There are no timeouts in here: the executor has them, and drops the future of an operation whose time is over, as
//! above with `tokio::time::timeout`, or with `embassy_time::with_timeout`.
//!
//! # What dropping a future leaves
//! All progress lives in the client, none in its futures: what has arrived, what is still to be sent, which request a
//! reply belongs to. So after a future was dropped, at whatever point,
//!
//! - the next operation sends what had been begun, drops the replies to it as they come, and returns its own, late if
//!   the server is. Whether the server has done what was asked is not known, as after any failure; a future that was never
//!   polled has asked nothing;
//! - but if it was dropped in the middle of a value that did not fit the output buffer (which grows up to
//!   [`output_len_max`](crate::client::ClientSettings::output_len_max)), the rest of it is gone with the future:
//!   [`Client::is_healthy`] is false, and every operation fails with
//!   [`ReplyErrorKind::Abandoned`](memlet_core::connection::client::ReplyErrorKind::Abandoned).
//!
//! Never is the reply to one operation given to another. Whoever would rather have a new connection than wait for a late
//! server drops the client.
//!
//! This holds for streams whose reads and writes do nothing when they are dropped before they are done, as
//! `embedded-io-async` encourages, and as tokio's and embassy-net's do. Over others no future must be dropped.
//!
//! # Memory
//! The caller gives the buffers, as to `memlet::blocking`. With `alloc` they are `Vec`s that grow to the longest packet. Of
//! fixed size they must hold the front of any packet: [`Client::BUFFER_LEN_MIN`]. A longer value is sent from where it is,
//! and received with [`Client::get_pieces`] or [`Client::get_into`]. The futures hold no buffers.
//!
//! # What an error leaves
//! [`Error::is_fatal`](crate::client::Error::is_fatal) says whether the client is of no more use. A refusal by the server
//! and a request that could not be sent leave it as it was.

mod batch;
mod client;
mod commands;
mod couchbase;
mod dcp;
mod serial;
mod serve;
mod tap;
mod update;

pub use client::Client;
pub use dcp::DcpFeed;
pub use serial::{SerialCounts, SerialOptions, serve_serial};
pub use serve::{Connection, serve};
#[cfg(feature = "embassy")]
pub(crate) use serve::{note_waiting, yield_now};
pub use tap::TapFeed;
