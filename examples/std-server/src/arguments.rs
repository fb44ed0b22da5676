//! The command line: memcached's options, as far as they mean something here.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, Parser};
use memlet::std::{CacheOptions, Listen, ReplicaOptions, ServerOptions, ShardedStoreError, Users};

const MIB: u64 = 1 << 20;

/// memcached's limits on `-I`.
const ITEM_SIZE_MIN: u64 = 1 << 10;
const ITEM_SIZE_MAX: u64 = 1 << 30;

/// What a reader of the help should know besides the options.
const AFTER_HELP: &str = "Options are memcached's and mean the same, but that it listens on 127.0.0.1 alone unless told \
    otherwise.\nThe text protocol is not spoken: set clients to the binary one.\nSIGTERM or SIGINT: answers what has \
    arrived, then stops.";

/// A cache server that speaks memcached's binary protocol.
#[derive(Debug, Parser)]
#[command(name = "memlet-server", version, disable_version_flag = true, disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// TCP port to listen on; 0 lets the system choose
    #[arg(short, long, value_name = "num", default_value_t = 11211)]
    port: u16,

    /// Address to listen on: a name or address, with or without a port; may be given several times or as a list with
    /// commas
    #[arg(
        short,
        long,
        value_name = "addr",
        value_delimiter = ',',
        default_value = "127.0.0.1"
    )]
    listen: Vec<String>,

    /// Unix socket to listen on instead of the network
    #[arg(short = 's', long, value_name = "file")]
    unix_socket: Option<PathBuf>,

    /// Permissions of the unix socket, in octal
    #[arg(short = 'a', long, value_name = "mask", default_value = "700", value_parser = octal)]
    unix_mask: u32,

    /// Memory for items, in megabytes
    #[arg(short, long, value_name = "num", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    memory_limit: u64,

    /// Largest item, in bytes or with a suffix k or m; from 1k to 1024m
    #[arg(short = 'I', long, value_name = "num", default_value = "1m", value_parser = item_size)]
    max_item_size: ItemSize,

    /// Memory for unfinished requests and unread answers of all connections, in megabytes, beside -m; when half of it is
    /// used up, long requests are answered `Out of memory` and clients that stall are hung up on
    #[arg(long, value_name = "num", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    connection_memory: u64,

    /// Serve metrics over HTTP at this address (ADDR:PORT; port 0 lets the system choose): /metrics for Prometheus,
    /// /debug/vars as JSON. Whoever reaches it can read them
    #[arg(long, value_name = "addr:port")]
    pub(crate) metrics: Option<SocketAddr>,

    /// Connections at the same time; beyond it a client is told so and hung up on
    #[arg(short, long, value_name = "num", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    conn_limit: u32,

    /// Threads that serve connections
    #[arg(short, long, value_name = "num", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,

    /// Connections that may wait to be accepted
    #[arg(short = 'b', long, value_name = "num", default_value_t = 1024)]
    listen_backlog: u32,

    /// Require clients to log in (SASL PLAIN), as a user of --auth-file
    #[arg(short = 'S', long)]
    enable_sasl: bool,

    /// Users, one `user:password` a line; empty lines and lines that start with # do not count
    #[arg(long, value_name = "file", requires = "enable_sasl")]
    auth_file: Option<PathBuf>,

    /// Ask the system for large memory pages: less CPU time a request, more memory in use right from the start
    #[arg(short = 'L', long)]
    enable_largepages: bool,

    /// Refuse the FLUSH command
    #[arg(short = 'F', long)]
    disable_flush_all: bool,

    /// Close connections over which nothing was done for so many seconds; 0 for never
    #[arg(long, value_name = "seconds")]
    idle_timeout: Option<u32>,

    /// Connections that may follow the changes (DCP, UPR, TAP) at the same time; 0 for none
    #[arg(long, value_name = "num", default_value_t = 16)]
    feeds_max: u16,

    /// Memory for the last changes, in megabytes, so that followers may fall behind; unless given a 16th of -m, at least
    /// 4, and only once somebody follows. It has to hold what changes while all items are sent to a new follower, 10
    /// bytes and the key for each change or eviction, or the follower starts again
    #[arg(long, value_name = "num", value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    change_log: Option<u64>,

    /// Follow another memlet-server and hold the same items; clients may read, and write once SIGUSR1 has ended that.
    /// Give it half as much memory again as the other one has, twice as much for items of 1 MB: it evicts by itself
    /// otherwise, which `stat replication` shows as `evicted`
    #[arg(long, value_name = "host:port")]
    replicate_from: Option<String>,

    /// Who to log in as there: a file with a line `user:password`
    #[arg(long, value_name = "file", requires = "replicate_from")]
    replicate_auth: Option<PathBuf>,

    /// memcached's extended options with commas between; known: idle_timeout=SECONDS, maxconns_fast
    #[arg(short = 'o', long, value_name = "options", value_delimiter = ',')]
    extended: Vec<String>,

    /// Protocol: binary, or auto; both mean binary here
    #[arg(short = 'B', long, value_name = "name", value_parser = protocol)]
    protocol: Option<String>,

    /// UDP port; only 0, off, is possible
    #[arg(short = 'U', long, value_name = "num", value_parser = no_udp)]
    udp_port: Option<u16>,

    /// Log more: -v start and stop, -vv connections and why they ended, -vvv everything
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print this help
    #[arg(short, long, action = ArgAction::HelpShort)]
    help: (),

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: (),
}

/// The value of `-I`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ItemSize {
    bytes: u32,
    /// As it was typed.
    text: String,
}

/// Options of memcached that have no meaning here or no support yet, and why.
const UNSUPPORTED: [(&str, &str, &str); 21] = [
    ("-A", "--enable-shutdown", "stop the server with SIGTERM"),
    ("-C", "--disable-cas", "CAS is always on"),
    ("-D", "", "there are no statistics by prefix"),
    ("-M", "--disable-evictions", "the cache always evicts"),
    ("-N", "--napi_ids", "connections go to the threads in turn"),
    (
        "-P",
        "--pidfile",
        "the server stays in the foreground; let the service manager keep its number",
    ),
    ("-R", "--max-reqs-per-event", "turns are limited by bytes"),
    ("-W", "--disable-watch", "there are no watchers"),
    ("-X", "--disable-dumping", "nothing is dumped"),
    (
        "-Y",
        "--auth-file=<file> without -S",
        "logging in by text is not possible; use -S --auth-file <file>",
    ),
    ("-Z", "--enable-ssl", "put a TLS proxy in front"),
    (
        "-d",
        "--daemon",
        "the server stays in the foreground; start it with a service manager, or with `&`",
    ),
    (
        "-e",
        "--memory-file",
        "the cache does not outlive the server",
    ),
    ("-f", "--slab-growth-factor", "there are no slabs"),
    ("-i", "--license", "it is MIT or Apache-2.0"),
    (
        "-k",
        "--lock-memory",
        "use the service manager's LimitMEMLOCK or turn swap off",
    ),
    ("-n", "--slab-min-size", "there are no slabs"),
    ("-r", "--enable-coredumps", "use ulimit -c"),
    (
        "-u",
        "--user",
        "start the server as that user, with the service manager or `runuser -u`",
    ),
    ("", "--no-hashexpand", "the index has a fixed size"),
    ("", "--no-lru-crawler", "there is no crawler"),
];

impl Arguments {
    /// Takes the process's arguments; prints and ends the process if there is nothing to run.
    pub(crate) fn take() -> Arguments {
        Arguments::try_parse().unwrap_or_else(|error| {
            if let Some(text) = unsupported(&error) {
                Arguments::command()
                    .error(ErrorKind::UnknownArgument, text)
                    .exit();
            }
            error.exit()
        })
    }

    /// How the cache is to be.
    pub(crate) fn cache(&self) -> Result<CacheOptions, String> {
        let mut options = CacheOptions::default();
        options.memory_limit = usize::try_from(self.memory_limit * MIB)
            .map_err(|_| "-m is more than this machine can address")?;
        options.large_pages = self.enable_largepages;
        options.engine.item_size_max = self.max_item_size.bytes;
        options.engine.flush_enabled = !self.disable_flush_all;
        options.verbosity = self.verbose.into();
        options.feeds_max = self.feeds_max.into();
        options.change_log = match self.change_log {
            None => None,
            Some(mib) => Some(
                usize::try_from(mib * MIB)
                    .map_err(|_| "--change-log is more than this machine can address")?,
            ),
        };
        if self.enable_sasl {
            let path = self.auth_file.as_ref().ok_or(
                "-S needs --auth-file <file>: a text file with a line user:password for each user, readable by the server",
            )?;
            let users = Users::read(path)
                .map_err(|error| format!("--auth-file {}: {error}", path.display()))?;
            options.users = Some(users);
        }
        Ok(options)
    }

    /// How the server is to listen.
    pub(crate) fn server(&self, cache: &CacheOptions) -> Result<ServerOptions, String> {
        let mut options = ServerOptions::default();
        options.listen = self.addresses()?;
        options.threads = self.threads.into();
        options.connections_max = self.conn_limit as usize;
        options.backlog = self.listen_backlog;
        options.connection = cache.connection();
        options.retained_bytes_max = usize::try_from(self.connection_memory * MIB)
            .map_err(|_| "--connection-memory is more than this machine can address")?;
        let idle_timeout_s = self
            .idle_timeout
            .or(self.extended_idle_timeout()?)
            .unwrap_or(0);
        options.idle_timeout =
            (idle_timeout_s > 0).then(|| Duration::from_secs(idle_timeout_s.into()));
        Ok(options)
    }

    /// What is wrong with the cache's memory, in the units of the options.
    pub(crate) fn explain(&self, error: &ShardedStoreError) -> String {
        let memory = self.memory_limit;
        match error {
            ShardedStoreError::LimitTooLow { min, .. } => format!(
                "-m {memory} is too low for this item size, -I {}: four of the largest items must fit, which takes at \
                 least -m {}",
                self.max_item_size.text,
                (*min as u64).div_ceil(MIB)
            ),
            ShardedStoreError::LimitTooHigh { .. } => {
                format!("-m {memory} is more than this machine has")
            }
            error => error.to_string(),
        }
    }

    /// Whom to follow, if anybody.
    pub(crate) fn replica(&self) -> Result<Option<ReplicaOptions>, String> {
        let Some(primary) = &self.replicate_from else {
            return Ok(None);
        };
        let mut options = ReplicaOptions::new(primary);
        if let Some(path) = &self.replicate_auth {
            let failed = |why: &str| format!("--replicate-auth {}: {why}", path.display());
            let text = fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
            let mut lines = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'));
            let line = lines.next().unwrap_or_default();
            let (user, password) = line
                .split_once(':')
                .ok_or_else(|| failed("there is no line of the form user:password"))?;
            options.user = Some((user.into(), password.into()));
        }
        Ok(Some(options))
    }

    fn addresses(&self) -> Result<Vec<Listen>, String> {
        if let Some(path) = &self.unix_socket {
            return Ok(vec![Listen::Unix {
                path: path.clone(),
                mode: self.unix_mask,
            }]);
        }
        let mut listen = Vec::new();
        for text in &self.listen {
            for address in resolve(text, self.port)? {
                let address = Listen::Tcp(address);
                if !listen.contains(&address) {
                    listen.push(address);
                }
            }
        }
        Ok(listen)
    }

    fn extended_idle_timeout(&self) -> Result<Option<u32>, String> {
        let mut idle_timeout = None;
        for option in &self.extended {
            match option.split_once('=').unwrap_or((option, "")) {
                ("idle_timeout", seconds) => {
                    let seconds = seconds
                        .parse()
                        .map_err(|_| "-o idle_timeout takes a number of seconds")?;
                    idle_timeout = Some(seconds);
                }
                // It is what happens in any case.
                ("maxconns_fast", "") => {}
                _ => {
                    return Err(format!(
                        "-o {option} is not supported; known: idle_timeout=<seconds>, maxconns_fast"
                    ));
                }
            }
        }
        Ok(idle_timeout)
    }
}

/// All addresses behind a name or address with or without a port.
fn resolve(text: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let with_port = bare.parse().map(|ip| vec![SocketAddr::new(ip, port)]);
    if let Ok(addresses) = with_port {
        return Ok(addresses);
    }
    let addresses = if text.contains(':') {
        text.to_socket_addrs()
    } else {
        (text, port).to_socket_addrs()
    };
    let addresses: Vec<_> = addresses
        .map_err(|error| format!("-l {text}: {error}"))?
        .collect();
    if addresses.is_empty() {
        Err(format!("-l {text}: there is no such address"))
    } else {
        Ok(addresses)
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mask @ 0..=0o777) => Ok(mask),
        _ => Err("permissions are three octal digits, such as 700".into()),
    }
}

fn item_size(text: &str) -> Result<ItemSize, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let size = digits
        .parse::<u64>()
        .ok()
        .and_then(|size| size.checked_mul(unit));
    match size {
        Some(size @ ITEM_SIZE_MIN..=ITEM_SIZE_MAX) => Ok(ItemSize {
            bytes: size as u32,
            text: text.into(),
        }),
        _ => Err("the largest item has from 1k to 1024m bytes".into()),
    }
}

fn protocol(text: &str) -> Result<String, String> {
    match text {
        "binary" | "auto" | "auto-negotiate" => Ok(text.into()),
        "ascii" => Err("the text protocol is not spoken".into()),
        _ => Err("protocols are binary and auto".into()),
    }
}

fn no_udp(text: &str) -> Result<u16, String> {
    if text == "0" {
        Ok(0)
    } else {
        Err("UDP is not supported".into())
    }
}

/// What to say of an option that memcached knows and this server does not.
fn unsupported(error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let name = argument.split('=').next().unwrap_or(argument);
    let known = |&&(short, long, _): &&(&str, &str, &str)| {
        (!short.is_empty() && name == short) || (!long.is_empty() && name == long)
    };
    let (short, long, why) = UNSUPPORTED.iter().find(known)?;
    let shown = if short.is_empty() { long } else { short };
    Some(format!(
        "memcached's option {shown} is not supported: {why}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(["memlet-server"].iter().chain(arguments))
    }

    fn listen(arguments: &[&str]) -> Vec<String> {
        parse(arguments)
            .unwrap()
            .addresses()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn addresses_take_the_port_unless_they_have_one() {
        assert_eq!(listen(&[]), ["127.0.0.1:11211"]);
        assert_eq!(listen(&["-p", "0", "-l", "127.0.0.1"]), ["127.0.0.1:0"]);
        assert_eq!(
            listen(&["-p", "5", "-l", "127.0.0.1,127.0.0.2:7"]),
            ["127.0.0.1:5", "127.0.0.2:7"]
        );
        assert_eq!(
            listen(&["-l", "::1", "-l", "[::1]:7", "-l", "[::2]"]),
            ["[::1]:11211", "[::1]:7", "[::2]:11211"]
        );
        assert_eq!(listen(&["-s", "/run/cache"]), ["/run/cache"]);
    }

    #[test]
    fn sizes_have_suffixes_and_limits() {
        for (text, bytes) in [
            ("1m", 1 << 20),
            ("2K", 2 << 10),
            ("4096", 4096),
            ("1024m", 1 << 30),
        ] {
            assert_eq!(item_size(text).unwrap().bytes, bytes);
        }
        for wrong in [
            "",
            "m",
            "1023",
            "1025m",
            "1g",
            "-1",
            "99999999999999999999m",
        ] {
            assert!(item_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_memcached_knows_and_we_do_not_is_explained() {
        for (short, long, _) in UNSUPPORTED {
            for option in [short, long]
                .iter()
                .filter(|option| !option.is_empty() && !option.contains(' '))
            {
                let text = unsupported(&parse(&[option]).unwrap_err()).unwrap_or_default();
                assert!(text.starts_with("memcached's option"), "{option}");
            }
        }
        assert!(unsupported(&parse(&["--nonsense"]).unwrap_err()).is_none());
    }

    #[test]
    fn extended_options() {
        let timeout = |text| parse(&["-o", text]).unwrap().extended_idle_timeout();
        assert_eq!(timeout("maxconns_fast,idle_timeout=9"), Ok(Some(9)));
        assert!(timeout("idle_timeout=soon").is_err());
        assert!(timeout("slab_reassign").is_err());
    }

    #[test]
    fn memory_is_in_megabytes_in_and_out() {
        let arguments = parse(&["-m", "3", "-I", "1024k", "--connection-memory", "8"]).unwrap();
        let cache = arguments.cache().unwrap();
        assert_eq!(
            arguments.server(&cache).unwrap().retained_bytes_max,
            8 << 20
        );
        let error = memlet::std::Cache::new(cache).unwrap_err();
        assert_eq!(
            arguments.explain(&error),
            "-m 3 is too low for this item size, -I 1024k: four of the largest items must fit, which takes at least -m 4"
        );
    }

    #[test]
    fn login_needs_users() {
        let cache = |arguments: &[&str]| parse(arguments).unwrap().cache();
        assert!(cache(&["-S"]).unwrap_err().contains("needs --auth-file"));
        let error = cache(&["-S", "--auth-file", "/nowhere/users"]).unwrap_err();
        assert!(error.starts_with("--auth-file /nowhere/users: it cannot be read"));
        assert!(parse(&["--auth-file", "users"]).is_err());
    }
}
