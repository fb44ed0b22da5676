//! A small language that picks packets: `opcode == GETK && status != 0 && key ^= "user:" && latency > 5ms`.
//!
//! ```text
//!   filter      any of   all-of  ||  all-of …
//!   all-of      each of  test  &&  test …
//!   test        !test | (filter) | field operator value
//!   operator    ==  !=  <  <=  >  >=   on numbers
//!               ==  !=  ^=  $=  *=     on bytes: equal, starts with, ends with, contains
//!   value       12  0x1f  5ms  250us  1s  GETK  SUCCESS  "user:"
//! ```
//!
//! Numbers: `frame`, `stream`, `magic`, `opcode`, `key_length`, `extras_length`, `datatype`, `vbucket`, `status`,
//! `total_body_length`, `opaque`, `cas`, `value_length`, `src_port`, `dst_port`, `latency` (in nanoseconds, with a unit), `request`
//! and `response` (1 or 0). Bytes: `key` and `value`. A test of a field that a packet does not have fails, whatever it asks:
//! requests have no status and no latency, responses no vbucket.

use memlet_core::wire::{Dialect, Opcode, Status};

use super::event::Record;

/// A filter, ready to be asked.
#[derive(Clone, Debug)]
pub struct Filter {
    root: Node,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where in the text, in bytes.
    pub offset: usize,
    /// What would have to be there.
    pub expected: &'static str,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "filter, character {}: expected {}",
            self.offset + 1,
            self.expected
        )
    }
}

impl std::error::Error for FilterError {}

#[derive(Clone, Debug)]
enum Node {
    Any(Vec<Node>),
    All(Vec<Node>),
    Not(Box<Node>),
    Number(NumberField, Comparison, u64),
    Bytes(BytesField, BytesTest, Vec<u8>),
}

type NumberField = fn(&Record<'_>) -> Option<u64>;
type BytesField = for<'a> fn(&Record<'a>) -> &'a [u8];
type Comparison = fn(&u64, &u64) -> bool;
type BytesTest = fn(&[u8], &[u8]) -> bool;

/// Parentheses and negations in one another.
const DEPTH_MAX: usize = 32;

impl Filter {
    /// Reads a filter. Opcodes are named as under the dialect.
    ///
    /// # Errors
    /// Where the text stops being a filter, and what would have to be there.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Filter, FilterError> {
        let mut parser = Parser {
            text,
            at: 0,
            dialect,
        };
        let root = parser.any(0)?;
        parser.blanks();
        if parser.at < text.len() {
            return Err(parser.expected("&&, || or the end"));
        }
        Ok(Filter { root })
    }

    /// Whether a packet is picked.
    #[must_use]
    pub fn matches(&self, record: &Record<'_>) -> bool {
        self.root.matches(record)
    }
}

impl Node {
    fn matches(&self, record: &Record<'_>) -> bool {
        match self {
            Node::Any(nodes) => nodes.iter().any(|node| node.matches(record)),
            Node::All(nodes) => nodes.iter().all(|node| node.matches(record)),
            Node::Not(node) => !node.matches(record),
            Node::Number(field, comparison, value) => {
                field(record).is_some_and(|number| comparison(&number, value))
            }
            Node::Bytes(field, test, value) => test(field(record), value),
        }
    }
}

fn number_field(name: &str) -> Option<NumberField> {
    Some(match name {
        "frame" => |record| Some(record.frame),
        "stream" => |record| Some(record.way.stream),
        "magic" => |record| Some(record.header.magic.0.into()),
        "opcode" => |record| Some(record.header.opcode.0.into()),
        "key_length" => |record| Some(record.header.key_len.into()),
        "extras_length" => |record| Some(record.header.extras_len.into()),
        "datatype" => |record| Some(record.header.datatype.0.into()),
        "vbucket" => |record| {
            let header = &record.header;
            header
                .magic
                .is_request()
                .then(|| header.vbucket_or_status.into())
        },
        "status" => |record| {
            let header = &record.header;
            header
                .magic
                .is_response()
                .then(|| header.vbucket_or_status.into())
        },
        "total_body_length" => |record| Some(record.header.body_len.into()),
        "opaque" => |record| Some(record.header.opaque.into()),
        "cas" => |record| Some(record.header.cas),
        "value_length" => |record| record.header.value_len().ok().map(u64::from),
        "src_port" => |record| Some(record.way.src.port().into()),
        "dst_port" => |record| Some(record.way.dst.port().into()),
        "latency" => |record| record.latency(),
        "request" => |record| Some(record.header.magic.is_request().into()),
        "response" => |record| Some(record.header.magic.is_response().into()),
        _ => return None,
    })
}

fn bytes_field(name: &str) -> Option<BytesField> {
    match name {
        "key" => Some(|record| record.packet().key),
        "value" => Some(|record| record.packet().value),
        _ => None,
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    dialect: Dialect,
}

impl<'t> Parser<'t> {
    fn expected(&self, expected: &'static str) -> FilterError {
        FilterError {
            offset: self.at,
            expected,
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn word(&mut self) -> &'t str {
        self.blanks();
        let rest = self.rest();
        let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let len = rest
            .find(|character| !is_of_word(character))
            .unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn any(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth > DEPTH_MAX {
            return Err(self.expected("fewer parentheses"));
        }
        let mut nodes = vec![self.all(depth)?];
        while self.take("||") {
            nodes.push(self.all(depth)?);
        }
        Ok(Node::Any(nodes))
    }

    fn all(&mut self, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = vec![self.test(depth)?];
        while self.take("&&") {
            nodes.push(self.test(depth)?);
        }
        Ok(Node::All(nodes))
    }

    fn test(&mut self, depth: usize) -> Result<Node, FilterError> {
        if self.take("(") {
            let node = self.any(depth + 1)?;
            if !self.take(")") {
                return Err(self.expected("a closing parenthesis"));
            }
            return Ok(node);
        }
        if self.take("!") {
            if depth > DEPTH_MAX {
                return Err(self.expected("fewer negations"));
            }
            return Ok(Node::Not(Box::new(self.test(depth + 1)?)));
        }
        self.blanks();
        let start = self.at;
        let name = self.word();
        if let Some(field) = number_field(name) {
            let comparison = self.comparison()?;
            return Ok(Node::Number(field, comparison, self.number()?));
        }
        if let Some(field) = bytes_field(name) {
            let test = self.bytes_test()?;
            return Ok(Node::Bytes(field, test, self.quoted()?));
        }
        self.at = start;
        Err(self.expected("the name of a field"))
    }

    fn comparison(&mut self) -> Result<Comparison, FilterError> {
        let comparisons: [(&str, Comparison); 6] = [
            ("==", u64::eq),
            ("!=", u64::ne),
            ("<=", u64::le),
            (">=", u64::ge),
            ("<", u64::lt),
            (">", u64::gt),
        ];
        for (token, comparison) in comparisons {
            if self.take(token) {
                return Ok(comparison);
            }
        }
        Err(self.expected("==, !=, <, <=, > or >="))
    }

    fn bytes_test(&mut self) -> Result<BytesTest, FilterError> {
        let tests: [(&str, BytesTest); 5] = [
            ("==", |bytes, value| bytes == value),
            ("!=", |bytes, value| bytes != value),
            ("^=", |bytes, value| bytes.starts_with(value)),
            ("$=", |bytes, value| bytes.ends_with(value)),
            ("*=", |bytes, value| {
                value.is_empty() || bytes.windows(value.len()).any(|part| part == value)
            }),
        ];
        for (token, test) in tests {
            if self.take(token) {
                return Ok(test);
            }
        }
        Err(self.expected("==, !=, ^=, $= or *="))
    }

    fn number(&mut self) -> Result<u64, FilterError> {
        self.blanks();
        let start = self.at;
        let word = self.word();
        let number = self.number_of(word);
        number.ok_or(FilterError {
            offset: start,
            expected: "a number, a time, an opcode or a status",
        })
    }

    fn number_of(&self, word: &str) -> Option<u64> {
        if let Some(digits) = word.strip_prefix("0x") {
            return u64::from_str_radix(digits, 16).ok();
        }
        let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
        if !digits.is_empty() {
            let unit = match &word[digits.len()..] {
                "" | "ns" => 1,
                "us" => 1000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                _ => return None,
            };
            return digits.parse::<u64>().ok()?.checked_mul(unit);
        }
        let named = |opcode: &Opcode| opcode.name(self.dialect) == Some(word);
        let opcode = Opcode::all(self.dialect).find(named);
        opcode.map(|opcode| opcode.0.into()).or_else(|| {
            let mut statuses = Status::ALL.iter();
            let status = statuses.find(|status| status.to_string() == word)?;
            Some(status.0.into())
        })
    }

    fn quoted(&mut self) -> Result<Vec<u8>, FilterError> {
        if !self.take("\"") {
            return Err(self.expected("text in quotes"));
        }
        let mut bytes = Vec::new();
        let mut characters = self.rest().char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += at + 1;
                    return Ok(bytes);
                }
                '\\' => match characters.next() {
                    Some((_, escaped)) => {
                        bytes.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    None => break,
                },
                _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(self.expected("a closing quote"))
    }
}
