//! The servers of a pool as people write them.

use std::fmt;
use std::str::FromStr;

use memlet_core::placement;

/// A server of a pool: where it is, and how large a share of the keys it takes.
///
/// Written and read as `HOST`, `HOST:PORT` or `HOST:PORT:WEIGHT`, an IPv6 address in brackets, or the path of a unix
/// socket with a slash at its front, as libmemcached's clients write it. Keys are placed by the host as it is written:
/// all clients of a pool have to write it alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PoolServer {
    /// Name, address without brackets, or path of a unix socket.
    pub host: String,
    /// TCP port; 0 for a unix socket.
    pub port: u16,
    /// Share of the keys beside that of others, at least 1.
    pub weight: u32,
}

impl PoolServer {
    /// memcached's own port.
    pub const DEFAULT_PORT: u16 = 11211;

    /// Whether it is reached over a unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        self.host.starts_with('/')
    }

    /// The server as [`placement`] names it.
    #[must_use]
    pub fn placed(&self) -> placement::Server<'_> {
        placement::Server {
            host: &self.host,
            port: self.port,
            weight: self.weight,
        }
    }
}

/// Why a text is no server of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolServerError {
    /// There is no host.
    NoHost,
    /// An address in brackets has no closing one, or something else than a port behind it.
    Brackets(String),
    /// The port is none from 1 to 65535.
    Port(String),
    /// The weight is none from 1 to 4294967295.
    Weight(String),
}

impl fmt::Display for PoolServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => {
                f.write_str("a server is HOST, HOST:PORT or HOST:PORT:WEIGHT; the host is missing")
            }
            Self::Brackets(text) => {
                write!(f, "an IPv6 server is [ADDRESS]:PORT:WEIGHT; found {text}")
            }
            Self::Port(text) => write!(f, "a port is a number from 1 to 65535; found {text:?}"),
            Self::Weight(text) => {
                write!(
                    f,
                    "a weight is a number from 1 to {}; found {text:?}",
                    u32::MAX
                )
            }
        }
    }
}

impl std::error::Error for PoolServerError {}

impl FromStr for PoolServer {
    type Err = PoolServerError;

    fn from_str(text: &str) -> Result<Self, PoolServerError> {
        if text.starts_with('/') {
            return Ok(Self {
                host: text.into(),
                port: 0,
                weight: 1,
            });
        }
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => inner
                .split_once(']')
                .filter(|(_, rest)| rest.is_empty() || rest.starts_with(':'))
                .map(|(host, rest)| (host, rest.strip_prefix(':')))
                .ok_or_else(|| PoolServerError::Brackets(text.into()))?,
            None => match text.split_once(':') {
                Some((host, rest)) => (host, Some(rest)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(PoolServerError::NoHost);
        }
        let (port, weight) = match rest.map(|rest| rest.split_once(':')) {
            None => (None, None),
            Some(None) => (rest, None),
            Some(Some((port, weight))) => (Some(port), Some(weight)),
        };
        Ok(Self {
            host: host.into(),
            port: port.map_or(Ok(Self::DEFAULT_PORT), read_port)?,
            weight: weight.map_or(Ok(1), read_weight)?,
        })
    }
}

fn read_port(text: &str) -> Result<u16, PoolServerError> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| PoolServerError::Port(text.into()))
}

fn read_weight(text: &str) -> Result<u32, PoolServerError> {
    let weight = text.parse().ok().filter(|weight| *weight > 0);
    weight.ok_or_else(|| PoolServerError::Weight(text.into()))
}

/// The server as it is written, its weight left out: `10.0.0.1:11211`, `[::1]:11211`, `/run/cache`.
impl fmt::Display for PoolServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if self.is_unix() {
            f.write_str(host)
        } else if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str, port: u16, weight: u32) -> Result<PoolServer, PoolServerError> {
        let host = host.into();
        Ok(PoolServer { host, port, weight })
    }

    #[test]
    fn servers_are_read_as_libmemcached_writes_them() {
        for (text, expected) in [
            ("cache", server("cache", 11211, 1)),
            ("10.0.0.1:11212", server("10.0.0.1", 11212, 1)),
            ("10.0.0.1:11212:7", server("10.0.0.1", 11212, 7)),
            ("[::1]", server("::1", 11211, 1)),
            ("[::1]:5", server("::1", 5, 1)),
            ("[::1]:5:6", server("::1", 5, 6)),
            ("/run/a:b", server("/run/a:b", 0, 1)),
            ("", Err(PoolServerError::NoHost)),
            (":5", Err(PoolServerError::NoHost)),
            ("[::1", Err(PoolServerError::Brackets("[::1".into()))),
            ("[::1]x", Err(PoolServerError::Brackets("[::1]x".into()))),
            ("::1", Err(PoolServerError::NoHost)),
            ("a:0", Err(PoolServerError::Port("0".into()))),
            ("a:65536", Err(PoolServerError::Port("65536".into()))),
            ("a:1:0", Err(PoolServerError::Weight("0".into()))),
            ("a:1:2:3", Err(PoolServerError::Weight("2:3".into()))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn servers_are_shown_as_they_are_read() {
        for text in ["cache:11211", "[::1]:5", "/run/cache"] {
            assert_eq!(text.parse::<PoolServer>().unwrap().to_string(), text);
        }
    }
}
