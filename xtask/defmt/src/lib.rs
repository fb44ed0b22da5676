//! A defmt log on the machine that builds.
//!
//! A device sends numbers: where in the program's file a text stands, and its arguments. On a device that file is laid out so
//! that the numbers are small; here the program is one like any other, loaded at an address of the system's choice, of which
//! the number is the lower 16 bits. So the addresses in the table of symbols are brought to what they are at run time before
//! the decoder reads them.

use std::cell::RefCell;
use std::sync::OnceLock;

use defmt_decoder::{DecodeError, Table};
use object::{Object, ObjectSection, ObjectSymbol};

thread_local! {
    static LOG: RefCell<Log> = const { RefCell::new(Log { encoder: defmt::Encoder::new(), bytes: Vec::new() }) };
}

struct Log {
    encoder: defmt::Encoder,
    bytes: Vec<u8>,
}

impl Log {
    fn with(f: impl FnOnce(&mut defmt::Encoder, &mut dyn FnMut(&[u8]))) {
        LOG.with_borrow_mut(|log| {
            let Log { encoder, bytes } = log;
            f(encoder, &mut |more| bytes.extend_from_slice(more));
        });
    }
}

#[defmt::global_logger]
struct Logger;

// SAFETY: each thread has a log of its own, so none has to be kept from another.
unsafe impl defmt::Logger for Logger {
    fn acquire() {
        Log::with(|encoder, write| encoder.start_frame(write));
    }

    unsafe fn flush() {}

    unsafe fn release() {
        Log::with(|encoder, write| encoder.end_frame(write));
    }

    unsafe fn write(bytes: &[u8]) {
        Log::with(|encoder, write| encoder.write(bytes, write));
    }
}

// What the linker script would define on a device.
defmt::timestamp!("{=u8}", 0);

#[defmt::panic_handler]
fn panic() -> ! {
    panic!("defmt called its panic handler")
}

/// A message of the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// `trace` to `error`; nothing for what is printed without one.
    pub level: &'static str,
    /// What it says.
    pub text: String,
}

/// What `f` logs on this thread.
pub fn logged(f: impl FnOnce()) -> Vec<Message> {
    LOG.with_borrow_mut(|log| log.bytes.clear());
    f();
    let bytes = LOG.with_borrow_mut(|log| std::mem::take(&mut log.bytes));
    let mut decoder = table().new_stream_decoder();
    decoder.received(&bytes);
    let mut messages = Vec::new();
    loop {
        match decoder.decode() {
            Ok(frame) => messages.push(Message {
                level: frame.level().map_or("", |level| level.as_str()),
                text: frame.display_message().to_string(),
            }),
            Err(DecodeError::UnexpectedEof) => return messages,
            Err(DecodeError::Malformed) => panic!("the log cannot be decoded: {bytes:02x?}"),
        }
    }
}

/// What a value looks like in a log.
pub fn text(value: &(impl defmt::Format + ?Sized)) -> String {
    let mut messages = logged(|| defmt::println!("{}", value));
    messages.pop().expect("a message was logged").text
}

/// The texts of this program.
fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let path = std::env::current_exe().expect("the program has a file");
        let mut file = std::fs::read(path).expect("the program's file can be read");
        relocate(&mut file);
        let table = Table::parse(&file).expect("the table of texts is well-formed");
        table.expect("the program has texts")
    })
}

/// A symbol whose place at run time tells where the program was loaded.
#[used]
#[unsafe(no_mangle)]
static MEMLET_DEFMT_ANCHOR: u8 = 0;

/// Makes the address of every symbol in an ELF file of 64 bits the lower 16 bits of its address at run time.
fn relocate(file: &mut [u8]) {
    const SYMBOL_LEN: usize = 24;
    const VALUE: std::ops::Range<usize> = 8..16;
    let (symbols, moved_by) = {
        let object = object::File::parse(&*file).expect("the program is an object file");
        let anchor = object
            .symbols()
            .find(|symbol| symbol.name() == Ok("MEMLET_DEFMT_ANCHOR"))
            .expect("the program has its symbols");
        let moved_by = (&raw const MEMLET_DEFMT_ANCHOR as u64).wrapping_sub(anchor.address());
        let symbols = object.section_by_name(".symtab").expect("symbols");
        let (start, len) = symbols.file_range().expect("symbols in the file");
        (start as usize..(start + len) as usize, moved_by)
    };
    for symbol in file[symbols].chunks_exact_mut(SYMBOL_LEN) {
        let value = u64::from_le_bytes(symbol[VALUE].try_into().expect("8 bytes"));
        let moved = value.wrapping_add(moved_by) & 0xffff;
        symbol[VALUE].copy_from_slice(&moved.to_le_bytes());
    }
}
