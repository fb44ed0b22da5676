//! What the blocking and the async client have in common: all but the waiting.
//!
//! Requests as values ([`Command`]), replies as values ([`Item`], [`Counter`], [`Observed`], …), errors, and the step by
//! step form of a compare-and-swap ([`Update`]). The clients themselves are in `memlet::blocking` and `memlet::asynch`.

mod answers;
mod buffer;
mod command;
mod dcp;
mod error;
mod exchange;
mod hello;
mod inbox;
mod item;
mod observe;
mod sasl;
mod settings;
mod tap;
mod update;
mod window;

pub use buffer::Buffer;
pub use command::Command;
pub(crate) use command::EXTRAS_LEN_MAX;
pub use dcp::DcpError;
pub use error::{Error, RequestError};
pub use hello::Features;
#[cfg(feature = "alloc")]
pub use item::OwnedItem;
pub use item::{Counter, Item, Touched};
pub use observe::{KeyState, Observed, Persistence};
pub use sasl::{Mechanisms, SaslAnswer};
pub use settings::ClientSettings;
pub use tap::TapError;
pub use update::{Change, Outcome, Update, UpdateStep};
pub use window::Answer;

#[cfg(feature = "alloc")]
pub(crate) use answers::text;
pub(crate) use answers::{found, refusal};
pub(crate) use buffer::move_to_front;
pub(crate) use dcp::{DcpExchange, DcpTurn};
pub(crate) use exchange::{Arrived, Exchange, Stage};
pub(crate) use observe::ObserveRequest;
pub(crate) use tap::{TapExchange, TapTurn};
pub(crate) use update::Attempt;
pub(crate) use window::Window;
