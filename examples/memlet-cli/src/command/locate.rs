//! `memlet locate`: which server of a pool holds a key.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::ValueEnum;
use memlet::std::{Distribution, Placement, PoolServer};
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
    let placement = Placement::new(&arguments.servers, arguments.distribution())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    input::any_in_batches(&arguments.keys, |keys| {
        keys.iter()
            .try_for_each(|key| print(arguments, &placement, key, &mut out))
    })?;
    Ok(out.flush()?)
}

impl Arguments {
    fn distribution(&self) -> Distribution {
        match self.hash {
            _ if self.jump => Distribution::Jump,
            _ if self.weighted => Distribution::KetamaWeighted,
            Hash::Md5 => Distribution::KetamaMd5,
            Hash::Default => Distribution::Ketama,
        }
    }
}

fn print(
    arguments: &Arguments,
    placement: &Placement,
    key: &[u8],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let index = placement.locate(key);
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
