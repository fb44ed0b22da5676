//! The options of commands that talk to a server, and the client that they make.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use memlet::std::{ConnectOptions, PoolServer, StdClient, connect, connect_unix};

use crate::failure::Failure;
use crate::input;

/// How to reach a server.
///
/// What comes from the environment is read here, not by clap, which would show such options as required in its complaints.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The server; its port is 11211 if none is given [default: MEMLET_SERVER in the environment, else 127.0.0.1:11211]
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with = "unix")]
    server: Option<String>,

    /// The path of the server's unix socket, instead of --server
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Log in as this user (SASL PLAIN); the password comes from --password-file or MEMLET_PASSWORD [default: MEMLET_USER
    /// in the environment]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,

    /// A file whose first line is the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Seconds that connecting, and every wait for the server, may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = input::seconds)]
    timeout: Duration,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// Name or address, and port.
    Tcp(PoolServer),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// User and password.
pub(crate) struct Login {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Connection {
    /// Connects, and logs in if there is a user.
    pub(crate) fn connect(&self) -> Result<StdClient, Failure> {
        let (address, login) = (self.address()?, self.login()?);
        let mut options = ConnectOptions::default();
        options.connect_timeout = Some(self.timeout);
        options.read_timeout = Some(self.timeout);
        options.write_timeout = Some(self.timeout);
        let connected = match &address {
            Address::Unix(path) => connect_unix(path, &options),
            Address::Tcp(server) => connect((server.host.as_str(), server.port), &options),
        };
        let mut client = connected.map_err(|error| {
            let text = format!("{address}: {error}");
            match error.kind() {
                // What is no name of a server at all.
                std::io::ErrorKind::InvalidInput => Failure::Usage(text),
                _ => Failure::Connection(text),
            }
        })?;
        if let Some(Login { user, password }) = login {
            client.authenticate(&user, &password)?;
        }
        Ok(client)
    }

    /// How long a wait for the server may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Where the server is, by the options or the environment.
    pub(crate) fn address(&self) -> Result<Address, Failure> {
        match (&self.unix, &self.server) {
            (Some(path), _) => Ok(Address::Unix(path.clone())),
            (None, Some(server)) => Address::read("--server ", server),
            (None, None) => match from_environment(SERVER) {
                Some(server) => Address::read("MEMLET_SERVER=", &server.to_string_lossy()),
                None => Address::read("", "127.0.0.1"),
            },
        }
    }

    /// The login, by the options or the environment.
    pub(crate) fn login(&self) -> Result<Option<Login>, Failure> {
        let user = self.user.clone().map(OsString::from);
        let Some(user) = user.or_else(|| from_environment(USER)) else {
            return match &self.password_file {
                Some(_) => Err(Failure::Usage(format!(
                    "--password-file needs a user: --user NAME, or {USER} in the environment"
                ))),
                None => Ok(None),
            };
        };
        Ok(Some(Login {
            user: std::os::unix::ffi::OsStringExt::into_vec(user),
            password: self.password()?,
        }))
    }

    fn password(&self) -> Result<Vec<u8>, Failure> {
        if let Some(path) = &self.password_file {
            let text = input::file(path)?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            return Ok(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        }
        match std::env::var_os(PASSWORD) {
            Some(password) => Ok(std::os::unix::ffi::OsStringExt::into_vec(password)),
            None => Err(Failure::Usage(format!(
                "--user needs a password: --password-file FILE, or {PASSWORD} in the environment"
            ))),
        }
    }
}

impl Address {
    /// Reads an address; `source` says in complaints where it stands.
    pub(crate) fn read(source: &str, text: &str) -> Result<Self, Failure> {
        if text.contains('/') {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        let bracketed = match text.parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => text.to_owned(),
        };
        let server = bracketed.parse::<PoolServer>();
        match server.ok().filter(|server| server.weight == 1) {
            Some(server) => Ok(Self::Tcp(server)),
            None => Err(Failure::Usage(format!(
                "{source}{text}: a server is HOST or HOST:PORT with a port from 1 to 65535, [ADDRESS]:PORT for IPv6, or the \
                 path of a unix socket with a slash in it"
            ))),
        }
    }
}

/// The server as people know it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(server) => server.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A variable that is set to something.
fn from_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

const SERVER: &str = "MEMLET_SERVER";
const USER: &str = "MEMLET_USER";
/// Not an option: everybody on the machine can read a command line.
const PASSWORD: &str = "MEMLET_PASSWORD";
