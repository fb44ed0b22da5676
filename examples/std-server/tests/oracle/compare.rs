//! Sends to both servers, compares what comes back, and tells the story of a key when it differs.

use crate::commands::{self, Batch, Command};
use crate::common::{Answer, Client, Request, Server, hex, op, status};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// How many commands of a key are told when its answers differ.
const STORY_LEN: usize = 40;

/// Figures of `stat` that have to agree; the rest depends on how a server is built.
///
/// Not among them: uptime, which memcached counts from two seconds before its start, and store_too_large, which it counts
/// for the text protocol only, and total_items, in which memcached doesn't count a counter that is changed in place.
const FIGURES: &[&str] = &[
    "cmd_get",
    "cmd_set",
    "cmd_flush",
    "cmd_touch",
    "get_hits",
    "get_misses",
    "get_expired",
    "get_flushed",
    "delete_misses",
    "delete_hits",
    "incr_misses",
    "incr_hits",
    "decr_misses",
    "decr_hits",
    "cas_misses",
    "cas_hits",
    "cas_badval",
    "touch_hits",
    "touch_misses",
    "store_no_memory",
    "auth_cmds",
    "auth_errors",
    "evictions",
    "curr_items",
    "limit_maxbytes",
    "threads",
    "pointer_size",
    "time",
];

/// Per key: which CAS of one server stands for which of the other.
#[derive(Default)]
struct CasPairs {
    to_memlet: HashMap<u64, u64>,
    to_memcached: HashMap<u64, u64>,
    seen: Vec<[u64; 2]>,
}

/// What has been compared so far, over all pairs of servers.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) commands: u64,
    batches: u32,
    by_opcode: BTreeMap<u8, (u64, u64)>,
    by_status: BTreeMap<u16, u64>,
    counted: BTreeMap<&'static str, u64>,
    /// The first difference of each figure; answers go on being compared.
    figures_that_differ: BTreeMap<&'static str, String>,
}

impl Tally {
    pub(crate) fn report(&self) {
        println!(
            "the answers of both are the same: {} commands in {} batches",
            self.commands, self.batches
        );
        for (opcode, (sent, answered)) in &self.by_opcode {
            println!("  opcode {opcode:#04x}: {sent} sent, {answered} answered");
        }
        for (status, count) in &self.by_status {
            println!("  status {status:#04x}: {count}");
        }
        for (name, count) in &self.counted {
            println!("  {name}: {count}");
        }
        for said in self.figures_that_differ.values() {
            println!("{said}");
        }
        assert!(self.figures_that_differ.is_empty(), "statistics differ");
    }
}

pub(crate) struct Pair<'a> {
    pub(crate) tally: &'a mut Tally,
    servers: [&'a Server; 2],
    clients: [Client; 2],
    cas: HashMap<usize, CasPairs>,
    stories: HashMap<usize, VecDeque<String>>,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(memcached: &'a Server, memlet: &'a Server, tally: &'a mut Tally) -> Self {
        Self {
            tally,
            servers: [memcached, memlet],
            clients: [memcached.connect(), memlet.connect()],
            cas: HashMap::new(),
            stories: HashMap::new(),
        }
    }

    /// Counts something under a name for the report: a skip, a mask, a kind of comparison.
    pub(crate) fn count(&mut self, name: &'static str) {
        *self.tally.counted.entry(name).or_default() += 1;
    }

    /// The CAS that both servers gave for this key, that many answers ago.
    pub(crate) fn cas_of(&self, key: usize, ago: usize) -> Option<[u64; 2]> {
        self.cas.get(&key)?.seen.iter().rev().nth(ago).copied()
    }

    /// Sends a batch to both and compares the answers; false when memcached has misread a number and the two have parted.
    pub(crate) fn exchange(&mut self, batch: &Batch, now: u32) -> bool {
        self.tally.batches += 1;
        let end = Request::new(op::NOOP).opaque(0xe0d0_0000 + (self.tally.batches & 0xffff));
        let mut answers = Vec::new();
        for side in 0..2 {
            let mut bytes = Vec::new();
            for command in &batch.commands {
                bytes.extend(command.request.clone().cas(command.cas[side]).bytes());
            }
            bytes.extend(end.bytes());
            let mut cuts: Vec<usize> = batch
                .cuts
                .iter()
                .map(|cut| bytes.len() * cut / 1000)
                .collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            answers.push(collect(&mut self.clients[side], &bytes, &cuts, &end));
        }
        for command in &batch.commands {
            self.tally.commands += 1;
            self.tally
                .by_opcode
                .entry(command.request.opcode)
                .or_default()
                .0 += 1;
            self.tell(command, now);
        }
        self.compare(batch, &answers[0], &answers[1])
    }

    fn compare(&mut self, batch: &Batch, memcached: &[Answer], memlet: &[Answer]) -> bool {
        let by_opaque: HashMap<u32, &Command> = batch
            .commands
            .iter()
            .map(|command| (command.request.opaque, command))
            .collect();
        for (theirs, ours) in memcached.iter().zip(memlet) {
            let command = by_opaque.get(&theirs.opaque());
            let Some(command) = command else {
                panic!("memcached answers nobody's question: {theirs:?}");
            };
            if let Err(why) = self.same(command, theirs, ours) {
                if self.misread_a_number(command, theirs) {
                    return false;
                }
                // When one of the two is silent, the command to look at is the earlier of those that answered.
                let other = by_opaque.get(&ours.opaque());
                self.fail(
                    &why,
                    &[Some(*command), other.copied()],
                    Some(theirs),
                    Some(ours),
                );
            }
            let counts = self
                .tally
                .by_opcode
                .entry(command.request.opcode)
                .or_default();
            counts.1 += 1;
            *self.tally.by_status.entry(theirs.status()).or_default() += 1;
        }
        if memcached.len() != memlet.len() {
            let at = memcached.len().min(memlet.len());
            let (theirs, ours) = (memcached.get(at), memlet.get(at));
            let command = theirs
                .or(ours)
                .and_then(|answer| by_opaque.get(&answer.opaque()));
            if let (Some(command), Some(theirs)) = (command, theirs)
                && self.misread_a_number(command, theirs)
            {
                return false;
            }
            self.fail("one server answers more", &[command.copied()], theirs, ours);
        }
        true
    }

    /// Whether memcached has refused a counter of 2^63 or more for a minus sign that isn't in it.
    ///
    /// 1.6.18 looks for one behind the number in its memory, up to the next NUL; the generator leaves none there, but an
    /// address in the head of the next item may look like one.
    fn misread_a_number(&mut self, command: &Command, theirs: &Answer) -> bool {
        let is_counter = commands::COUNTERS.contains(&command.request.opcode);
        if !is_counter || theirs.status() != status::DELTA_BAD_VALUE {
            return false;
        }
        let held = self.servers[0]
            .connect()
            .call(Request::get(&command.request.key));
        let text = String::from_utf8_lossy(held.value()).into_owned();
        let misread = text
            .trim()
            .parse()
            .is_ok_and(|number: u64| number >= 1 << 63);
        if misread {
            self.count(
                "left out: rest of a run in which memcached took a number beyond 2^63 for negative",
            );
        }
        misread
    }

    /// The two answers are the same, CAS aside; and the CAS values fit the pairs known so far.
    fn same(&mut self, command: &Command, theirs: &Answer, ours: &Answer) -> Result<(), String> {
        let mask = |answer: &Answer| {
            let mut raw = answer.raw.clone();
            raw[16..24].fill(0);
            if answer.opcode() == op::VERSION && answer.status() == 0 {
                raw.truncate(24);
                raw[8..12].fill(0);
            }
            raw
        };
        if command.request.opcode == op::VERSION {
            self.count("version text masked");
        }
        if mask(theirs) != mask(ours) {
            return Err("the answers differ".to_owned());
        }
        let (a, b) = (theirs.cas(), ours.cas());
        if (a == 0) != (b == 0) {
            return Err("one CAS is 0".to_owned());
        }
        if a == 0 {
            return Ok(());
        }
        let Some(key) = command.key else {
            return Err("a CAS without a key".to_owned());
        };
        let pairs = self.cas.entry(key).or_default();
        match (pairs.to_memlet.get(&a), pairs.to_memcached.get(&b)) {
            (None, None) => {
                pairs.to_memlet.insert(a, b);
                pairs.to_memcached.insert(b, a);
            }
            (Some(known), Some(_)) if *known == b => {}
            (Some(known), _) => {
                return Err(format!(
                    "memlet changed the CAS of an item that is the same: {known:x}, now {b:x}"
                ));
            }
            (None, Some(known)) => {
                return Err(format!(
                    "memlet kept the CAS of an item that changed: {b:x} was memcached's {known:x}, now {a:x}"
                ));
            }
        }
        if pairs.seen.last() != Some(&[a, b]) {
            pairs.seen.push([a, b]);
        }
        Ok(())
    }

    fn tell(&mut self, command: &Command, now: u32) {
        let line = format!(
            "batch {} second {now}: {}",
            self.tally.batches,
            describe(command)
        );
        let keys: Vec<usize> = match (command.key, command.request.opcode) {
            (Some(key), _) => vec![key],
            (None, op::FLUSH | op::FLUSHQ) => self.stories.keys().copied().collect(),
            _ => return,
        };
        for key in keys {
            let story = self.stories.entry(key).or_default();
            if story.len() == STORY_LEN {
                story.pop_front();
            }
            story.push_back(line.clone());
        }
    }

    fn fail(
        &self,
        why: &str,
        commands: &[Option<&Command>],
        theirs: Option<&Answer>,
        ours: Option<&Answer>,
    ) -> ! {
        println!("after {} commands: {why}", self.tally.commands);
        println!("memcached: {theirs:?}\nmemlet:    {ours:?}");
        if let (Some(theirs), Some(ours)) = (theirs, ours) {
            println!(
                "{}\n{}",
                hex(&theirs.raw[..theirs.raw.len().min(80)]),
                hex(&ours.raw[..ours.raw.len().min(80)])
            );
        }
        let mut told = None;
        for command in commands.iter().flatten() {
            println!("about: {}", describe(command));
            if told != command.key
                && let Some(story) = command.key.and_then(|key| self.stories.get(&key))
            {
                println!("the last commands of that key:");
                for line in story {
                    println!("  {line}");
                }
                told = command.key;
            }
        }
        panic!("{why}");
    }

    /// A fresh connection to each: what one says to these bytes (and then the end of input) up to the close, both say.
    pub(crate) fn compare_connection(&mut self, what: &'static str, bytes: &[u8]) {
        let said: Vec<Vec<u8>> = self
            .servers
            .iter()
            .map(|server| {
                let mut client = server.connect();
                client.send_bytes(bytes);
                client.end_of_input();
                comparable(client.read_to_close())
            })
            .collect();
        self.count(what);
        assert!(
            said[0] == said[1],
            "{what}: the servers differ\nsent      {}\nmemcached {}\nmemlet    {}",
            hex(&bytes[..bytes.len().min(400)]),
            hex(&said[0][..said[0].len().min(400)]),
            hex(&said[1][..said[1].len().min(400)])
        );
    }

    pub(crate) fn compare_figures(&mut self) {
        let stats: Vec<HashMap<String, String>> = self
            .clients
            .iter_mut()
            .map(|client| client.stat("").into_iter().collect())
            .collect();
        for name in FIGURES {
            let (theirs, ours) = (stats[0].get(*name), stats[1].get(*name));
            if ours.is_none() {
                self.count("left out: statistics that memlet doesn't keep");
                continue;
            }
            if theirs != ours && !self.tally.figures_that_differ.contains_key(name) {
                let said = format!(
                    "after {} commands `stat` says {name}: memcached {theirs:?}, memlet {ours:?}",
                    self.tally.commands
                );
                self.tally.figures_that_differ.insert(name, said);
            }
        }
        self.count("statistics compared");
    }
}

/// The same bytes without each server's own: the text of VERSION, and which CAS it is, if it is one.
fn comparable(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(mut answer) = Answer::split(&mut bytes) {
        if answer.opcode() == op::VERSION && answer.status() == 0 {
            answer.raw.truncate(24);
            answer.raw[8..12].fill(0);
        }
        if answer.cas() != 0 {
            answer.raw[16..24].fill(0xca);
        }
        out.extend(answer.raw);
    }
    out.extend(bytes);
    out
}

/// Writes the pieces and reads up to the answer of the NOOP at the end.
fn collect(client: &mut Client, bytes: &[u8], cuts: &[usize], end: &Request) -> Vec<Answer> {
    let mut writer = client.socket.try_clone().unwrap();
    let mut write = move || {
        for piece in cuts.windows(2).filter(|piece| piece[0] < piece[1]) {
            std::io::Write::write_all(&mut writer, &bytes[piece[0]..piece[1]])
                .expect("a server closed");
        }
    };
    let mut read = || {
        let mut answers = Vec::new();
        loop {
            let answer = client.receive();
            if answer.opaque() == end.opaque {
                return answers;
            }
            answers.push(answer);
        }
    };
    if bytes.len() < 16 << 10 {
        write();
        return read();
    }
    // A large batch may fill both sockets' buffers, so it's written while the answers are read.
    std::thread::scope(|scope| {
        scope.spawn(write);
        read()
    })
}

fn describe(command: &Command) -> String {
    let request = &command.request;
    let mut text = format!("opcode {:#04x}", request.opcode);
    if let Some(key) = command.key {
        text += &format!(" key {key} ({} bytes)", request.key.len());
    }
    if !request.extras.is_empty() {
        text += &format!(" extras {}", hex(&request.extras));
    }
    if !request.value.is_empty() {
        let start = &request.value[..request.value.len().min(32)];
        text += &format!(
            " value {:?} ({} bytes)",
            String::from_utf8_lossy(start),
            request.value.len()
        );
    }
    if command.cas[0] != 0 {
        text += &format!(
            " {} CAS {:x}/{:x}",
            command.cas_is, command.cas[0], command.cas[1]
        );
    }
    text
}
