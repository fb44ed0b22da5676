//! Packets, and their explanations as text.

use memlet_core::wire::fields::{Finding, Options, Span, Value, Visitor, visit};
use memlet_core::wire::{Dialect, Opcode, Packet};

pub(crate) const COUCHBASE: Options<'static> = Options {
    dialect: Dialect::Couchbase,
    request: None,
    collections: false,
    show_credentials: false,
    now: None,
};
pub(crate) const MEMCACHED: Options<'static> = Options {
    dialect: Dialect::Memcached,
    ..COUCHBASE
};

/// Bytes from hexadecimal digits, with blanks where they help.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

/// The bytes of a packet.
pub(crate) fn emit(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len().unwrap()];
    packet.emit(&mut bytes).unwrap();
    bytes
}

/// The bytes of a request.
pub(crate) fn request(opcode: Opcode, extras: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    emit(&Packet {
        opcode,
        extras: &hex(extras),
        key,
        value,
        ..Packet::default()
    })
}

/// What is told of some bytes, in parts that outlive them.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) listing: String,
    pub(crate) spans: Vec<(String, Option<u64>, Vec<u8>)>,
    pub(crate) findings: Vec<Finding>,
}

impl<'a> Visitor<'a> for Told {
    fn span(&mut self, span: &Span<'a>) {
        let indent = 2 * usize::from(span.depth);
        let index = span
            .index
            .map(|index| format!("[{index}]"))
            .unwrap_or_default();
        let missing = match span.missing {
            0 => String::new(),
            missing => format!(" ({missing} missing)"),
        };
        let value = match span.value {
            Value::Group => String::new(),
            value => format!(" = {value}"),
        };
        self.listing += &format!(
            "{:indent$}{} {}{index}{value}{missing}\n",
            "", span.offset, span.name,
        );
        let bytes = span.value.bytes().unwrap_or_default().to_vec();
        self.spans
            .push((span.name.to_owned(), span.value.number(), bytes));
    }

    fn finding(&mut self, finding: &Finding) {
        self.findings.push(*finding);
    }
}

impl Told {
    /// The number in the first field of this name.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.numbers(name)
            .next()
            .unwrap_or_else(|| panic!("no {name} in\n{}", self.listing))
    }

    /// The numbers in all fields of this name.
    pub(crate) fn numbers<'t>(&'t self, name: &'t str) -> impl Iterator<Item = u64> + 't {
        let named = self.spans.iter().filter(move |(other, _, _)| other == name);
        named.filter_map(|(_, number, _)| *number)
    }

    /// The bytes in the first field of this name; none when there is no such field.
    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        let named = self.spans.iter().find(|(other, _, _)| other == name);
        named.map_or(&[], |(_, _, bytes)| bytes)
    }
}

pub(crate) fn told(packet: &[u8], options: &Options<'_>) -> Told {
    let mut told = Told::default();
    visit(packet, options, &mut told);
    told
}
