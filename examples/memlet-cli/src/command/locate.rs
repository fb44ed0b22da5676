//! `memlet locate`: which server of a pool holds a key.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::ValueEnum;
use memlet::std::PoolServer;
use memlet_core::placement::{
    Ketama, KeyHash, Md5, OneAtATime, PlacementError, Point, Server, jump, jump_key,
    unweighted_points, weighted_points,
};
use memlet_core::wire::Escaped;

use crate::failure::Failure;
use crate::{input, output};

/// Tell which server of a pool holds each key
///
/// Prints a line for each key: the server, a tab, the key. By default keys are placed as by pylibmc with
/// behaviors={"ketama": True}, and by other clients on libmemcached that are set so; a weight above 1 makes the ring a
/// weighted one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The servers as the clients write them, with commas between; IPv6 addresses in brackets
    #[arg(
        short,
        long,
        required = true,
        value_delimiter = ',',
        value_name = "HOST:PORT[:WEIGHT]"
    )]
    servers: Vec<PoolServer>,

    /// Place by MD5 throughout, as by pylibmc with behaviors={"ketama_weighted": True}
    #[arg(long, conflicts_with_all = ["hash", "jump"])]
    weighted: bool,

    /// The hash of keys: the clients' behaviour "hash" beside "ketama"
    #[arg(long, value_enum, default_value_t = Hash::Default, conflicts_with = "jump")]
    hash: Hash,

    /// Place by jump hash instead, which takes notice of the servers' order alone
    #[arg(long)]
    jump: bool,

    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,

    /// Keys; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Hash {
    /// libmemcached's default, Jenkins's one-at-a-time
    Default,
    /// MD5
    Md5,
}

const EXAMPLES: &str = "\
Examples:
  memlet locate --servers cache1,cache2,cache3 user:17
  memlet locate --servers 10.0.0.1:11211:2,10.0.0.2:11211:1 --weighted user:17
  cut -f1 keys.tsv | memlet locate --servers cache1,cache2 - | cut -f1 | sort | uniq -c";

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let locate = locator(arguments).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    input::in_batches(&arguments.keys, |keys| {
        keys.iter()
            .try_for_each(|key| print(arguments, &locate, key, &mut out))
    })?;
    Ok(out.flush()?)
}

/// Finds the index of a key's server.
type Locator = Box<dyn Fn(&[u8]) -> usize>;

fn locator(arguments: &Arguments) -> Result<Locator, PlacementError> {
    let servers: Vec<Server<'_>> = arguments.servers.iter().map(PoolServer::placed).collect();
    let has_weights = servers.iter().any(|server| server.weight > 1);
    if arguments.jump {
        let count = u32::try_from(servers.len()).unwrap_or(u32::MAX);
        return Ok(Box::new(move |key| jump(jump_key(key), count) as usize));
    }
    match (
        arguments.weighted || has_weights,
        arguments.weighted || arguments.hash == Hash::Md5,
    ) {
        (true, true) => weighted::<Md5>(&servers),
        (true, false) => weighted::<OneAtATime>(&servers),
        (false, true) => unweighted::<Md5>(&servers),
        (false, false) => unweighted::<OneAtATime>(&servers),
    }
}

fn weighted<H: KeyHash + 'static>(servers: &[Server<'_>]) -> Result<Locator, PlacementError> {
    let points = vec![Point::default(); weighted_points(servers)];
    let ring = Ketama::<_, H>::weighted_with_hash(servers, points)?;
    Ok(Box::new(move |key| ring.locate(key)))
}

fn unweighted<H: KeyHash + 'static>(servers: &[Server<'_>]) -> Result<Locator, PlacementError> {
    let points = vec![Point::default(); unweighted_points(servers.len())];
    let ring = Ketama::<_, H>::with_hash(servers, points)?;
    Ok(Box::new(move |key| ring.locate(key)))
}

fn print(
    arguments: &Arguments,
    locate: &Locator,
    key: &[u8],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let index = locate(key);
    let Some(server) = arguments.servers.get(index) else {
        return Err(Failure::Usage(format!(
            "no server for key {}",
            Escaped(key)
        )));
    };
    if arguments.json {
        let mut members = output::object([
            ("server", server.to_string().into()),
            ("index", index.into()),
        ]);
        members.extend(output::bytes("key", key));
        return output::json_line(out, &members.into());
    }
    write!(out, "{server}\t")?;
    out.write_all(key)?;
    Ok(writeln!(out)?)
}
