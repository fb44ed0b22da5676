//! The options of commands that talk to a server, and the client that they make.

use std::path::PathBuf;
use std::time::Duration;

use memlet::std::{ConnectOptions, StdClient, connect, connect_unix};

use crate::failure::Failure;
use crate::input;

/// How to reach a server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The server
    #[arg(
        long,
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:11211",
        env = "MEMLET_SERVER"
    )]
    server: String,

    /// The path of the server's unix socket, instead of --server
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,

    /// Log in as this user (SASL PLAIN); the password comes from --password-file or MEMLET_PASSWORD
    #[arg(long, value_name = "NAME", env = "MEMLET_USER")]
    user: Option<String>,

    /// A file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// Seconds that connecting, and every wait for the server, may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    timeout: f64,
}

impl Connection {
    /// Connects, and logs in if there is a user.
    pub(crate) fn connect(&self) -> Result<StdClient, Failure> {
        let timeout = Duration::try_from_secs_f64(self.timeout)
            .ok()
            .filter(|timeout| !timeout.is_zero());
        let Some(timeout) = timeout else {
            let text = format!("--timeout {}: the seconds are above 0", self.timeout);
            return Err(Failure::Usage(text));
        };
        let mut options = ConnectOptions::default();
        options.connect_timeout = Some(timeout);
        options.read_timeout = Some(timeout);
        options.write_timeout = Some(timeout);
        let connected = match &self.unix {
            Some(path) => connect_unix(path, &options),
            None => connect(&self.server, &options),
        };
        let mut client = connected.map_err(|error| {
            let text = format!("{}: {error}", self.server_name());
            match error.kind() {
                // What is no name of a server at all.
                std::io::ErrorKind::InvalidInput => Failure::Usage(text),
                _ => Failure::Connection(text),
            }
        })?;
        if let Some(user) = &self.user {
            client.authenticate(user.as_bytes(), &self.password()?)?;
        }
        Ok(client)
    }

    /// How long a wait for the server may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::MAX)
    }

    /// The server as people know it.
    pub(crate) fn server_name(&self) -> String {
        match &self.unix {
            Some(path) => path.display().to_string(),
            None => self.server.clone(),
        }
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

/// Not an option: everybody on the machine can read a command line.
const PASSWORD: &str = "MEMLET_PASSWORD";
