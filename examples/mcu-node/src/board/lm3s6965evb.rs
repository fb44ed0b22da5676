//! Stellaris LM3S6965 evaluation board, as QEMU emulates it (`-M lm3s6965evb`): 256 KiB of flash, 64 KiB of RAM.
//!
//! ```ld
//! MEMORY
//! {
//!   FLASH : ORIGIN = 0x00000000, LENGTH = 256K
//!   STACK : ORIGIN = 0x20000000, LENGTH = 6K
//!   RAM   : ORIGIN = 0x20001800, LENGTH = 58K
//! }
//! _stack_start = ORIGIN(STACK) + LENGTH(STACK);
//! _stack_end = ORIGIN(STACK);
//! ```
//!
//! Devices: the chip's own Ethernet MAC and PHY, the first UART (feature `uart`), SysTick as the counter, general-purpose timer 0 as the alarm, the
//! watchdog. It has no random number generator: the seed comes from the host's clock and is no secret.

use core::task::Context;

use embassy_executor::Spawner;
use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Instant};
use static_cell::ConstStaticCell;

#[cfg(feature = "uart")]
use super::port::{LineError, Port, Serial, Uart};
use super::register::{Register, Vector, enable_interrupt};
use super::{Board, semihosting};
use crate::clock::{Clock, Timer};

#[cfg(feature = "uart")]
const SERIAL_IRQ: usize = 5;
const WATCHDOG_IRQ: usize = 18;
const TIMER_ALARM_IRQ: usize = 19;
const NETWORK_IRQ: usize = 42;

/// Counts of the watchdog's clock until it raises its interrupt, and again until it resets: 16 seconds each, since its clock
/// also runs while a busy host does not run the emulator.
const WATCHDOG_COUNTS: u32 = 16_000_000 * Timers::COUNTS_PER_US;

embassy_time_driver::time_driver_impl!(static CLOCK: Clock<Timers> = Clock::new());

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; NETWORK_IRQ + 1] = {
    let mut vectors = [Vector::UNUSED; NETWORK_IRQ + 1];
    #[cfg(feature = "uart")]
    {
        vectors[SERIAL_IRQ] = Vector::new(serial::handle);
    }
    vectors[WATCHDOG_IRQ] = Vector::new(handle_watchdog);
    vectors[TIMER_ALARM_IRQ] = Vector::new(handle_alarm);
    vectors[NETWORK_IRQ] = Vector::new(handle_network);
    vectors
};

pub(crate) struct ThisBoard(());

impl Board for ThisBoard {
    const NAME: &'static str = "lm3s6965evb";
    const RAM_LEN: usize = 64 << 10;
    type Network = Ethernet;

    async fn start(_: Spawner) -> (Self, Ethernet) {
        system::start();
        Timers::start();
        let network = Ethernet::start();
        watchdog::start();
        for number in [WATCHDOG_IRQ, TIMER_ALARM_IRQ, NETWORK_IRQ] {
            enable_interrupt(number);
        }
        (Self(()), network)
    }

    #[cfg(feature = "uart")]
    type Serial = Serial<serial::Uart0>;

    #[cfg(feature = "uart")]
    fn serial(&mut self) -> Self::Serial {
        let port = serial::start();
        enable_interrupt(SERIAL_IRQ);
        port
    }

    fn seed(&mut self) -> [u64; 2] {
        [semihosting::host_seconds().into(), Timers::count().into()]
    }

    fn feed_watchdog(&mut self) {
        watchdog::feed();
    }

    fn print(text: &str) {
        semihosting::print(text);
    }

    fn fail() -> ! {
        semihosting::fail()
    }
}

/// Clocks, and which devices have one.
mod system {
    use super::Register;

    const fn register(offset: usize) -> Register {
        // SAFETY: at this address is the system control, which touches no memory.
        unsafe { Register::at(0x400f_e000 + offset) }
    }
    const RAW_INTERRUPTS: Register = register(0x050);
    const RUN_CLOCK: Register = register(0x060);
    const CLOCK_GATES: [Register; 3] = [register(0x100), register(0x104), register(0x108)];
    const USER: [Register; 2] = [register(0x1e0), register(0x1e4)];

    /// 50 MHz from the PLL and the board's crystal of 8 MHz.
    pub(super) fn start() {
        const BYPASS: u32 = 1 << 11;
        const POWER_DOWN: u32 = 1 << 13;
        const DIVIDE: u32 = 1 << 22;
        const DIVISOR: u32 = 0xf << 23;
        const OSCILLATOR_OFF: u32 = 1;
        const SOURCE: u32 = 3 << 4;
        const CRYSTAL: u32 = 0xf << 6;
        const CRYSTAL_8_MHZ: u32 = 0xe << 6;
        const PLL_LOCKED: u32 = 1 << 6;

        let slow = (RUN_CLOCK.read() | BYPASS) & !DIVIDE;
        RUN_CLOCK.write(slow);
        let slow = slow & !(SOURCE | CRYSTAL | POWER_DOWN | OSCILLATOR_OFF) | CRYSTAL_8_MHZ;
        RUN_CLOCK.write(slow);
        // 200 MHz by 4.
        RUN_CLOCK.write(slow & !DIVISOR | 3 << 23 | DIVIDE);
        while RAW_INTERRUPTS.read() & PLL_LOCKED == 0 {}
        RUN_CLOCK.write((slow & !DIVISOR | 3 << 23 | DIVIDE) & !BYPASS);

        let [gates_0, gates_1, gates_2] = CLOCK_GATES;
        const WATCHDOG: u32 = 1 << 3;
        const TIMERS_0_AND_1: u32 = 3 << 16;
        const ETHERNET_AND_PHY: u32 = 1 << 28 | 1 << 30;
        gates_0.write(gates_0.read() | WATCHDOG);
        const UART_0: u32 = 1 << 0;
        const PORT_A: u32 = 1 << 0;
        gates_1.write(gates_1.read() | TIMERS_0_AND_1 | UART_0);
        gates_2.write(gates_2.read() | ETHERNET_AND_PHY | PORT_A);
        // The devices may be used a few cycles later.
        gates_2.read();
    }

    /// The Ethernet address, as the maker has put it into the two user registers.
    pub(super) fn address() -> [u8; 6] {
        let [low, high] = USER;
        let [a, b, c, _] = low.read().to_le_bytes();
        let [d, e, f, _] = high.read().to_le_bytes();
        [a, b, c, d, e, f]
    }
}

/// The PL011 UART 0: 16 bytes each way, no flow control.
#[cfg(feature = "uart")]
mod serial {
    use super::{LineError, Port, Register, Serial, Timers, Uart};
    use crate::clock::Timer;
    use crate::settings::SERIAL_BAUD;

    const CLOCK_HZ: u32 = Timers::COUNTS_PER_US * 1_000_000;

    const fn register(offset: usize) -> Register {
        // SAFETY: at this address is the UART, which touches no memory.
        unsafe { Register::at(0x4000_c000 + offset) }
    }
    const DATA: Register = register(0x00);
    const FLAGS: Register = register(0x18);
    const BAUD_INTEGER: Register = register(0x24);
    const BAUD_FRACTION: Register = register(0x28);
    const LINE_CONTROL: Register = register(0x2c);
    const CONTROL: Register = register(0x30);
    const INTERRUPT_MASK: Register = register(0x38);
    const INTERRUPT_CLEAR: Register = register(0x44);

    /// The pins of port A that the UART has.
    const PINS: u32 = 1 << 0 | 1 << 1;
    const PIN_REGISTERS: [Register; 2] = {
        // SAFETY: these are the registers of port A that give pins to devices and make them digital.
        unsafe { [Register::at(0x4000_4420), Register::at(0x4000_451c)] }
    };

    /// Bits of FLAGS.
    const RECEIVE_EMPTY: u32 = 1 << 4;
    const SEND_FULL: u32 = 1 << 5;

    /// Interrupts: the receive FIFO is half full, or has something and the line is silent; the send FIFO is half empty.
    const RECEIVE: u32 = 1 << 4 | 1 << 6;
    const SEND: u32 = 1 << 5;

    /// What comes with a byte: wrong stop bit or parity, break, or bytes lost before it.
    const ERRORS: u32 = 0xf << 8;

    static PORT: Port<Uart0> = Port::new();

    pub(crate) struct Uart0;

    pub(super) fn start() -> Serial<Uart0> {
        for register in PIN_REGISTERS {
            register.write(register.read() | PINS);
        }
        CONTROL.write(0);
        // 1/64 of a bit's sixteenth, rounded.
        let divisor = (CLOCK_HZ * 8 / SERIAL_BAUD).div_ceil(2);
        BAUD_INTEGER.write(divisor / 64);
        BAUD_FRACTION.write(divisor % 64);
        // 8 data bits, with FIFOs.
        LINE_CONTROL.write(3 << 5 | 1 << 4);
        INTERRUPT_MASK.write(RECEIVE | SEND);
        // On, both directions.
        CONTROL.write(1 << 0 | 1 << 8 | 1 << 9);
        Serial(&PORT)
    }

    impl Uart for Uart0 {
        fn receive() -> Option<Result<u8, LineError>> {
            if FLAGS.read() & RECEIVE_EMPTY != 0 {
                return None;
            }
            let data = DATA.read();
            Some(if data & ERRORS == 0 {
                Ok(data as u8)
            } else {
                Err(LineError)
            })
        }

        fn listen(is_listening: bool) {
            INTERRUPT_MASK.write(if is_listening { RECEIVE | SEND } else { SEND });
        }

        fn may_send() -> bool {
            FLAGS.read() & SEND_FULL == 0
        }

        fn send(byte: u8) {
            DATA.write(byte.into());
        }
    }

    pub(super) unsafe extern "C" fn handle() {
        INTERRUPT_CLEAR.write(RECEIVE | SEND);
        PORT.handle_receive();
        PORT.handle_send();
    }
}

/// SysTick runs free over 24 bits, timer 0 is the alarm; both count the core's 50 MHz.
struct Timers;

impl Timers {
    /// Registers of a general-purpose timer.
    const fn register(number: usize, offset: usize) -> Register {
        // SAFETY: at these addresses are the timers, which touch no memory.
        unsafe { Register::at(0x4003_0000 + 0x1000 * number + offset) }
    }
    const CONFIGURATION: usize = 0x00;
    const MODE: usize = 0x04;
    const CONTROL: usize = 0x0c;
    const INTERRUPT_MASK: usize = 0x18;
    const INTERRUPT_CLEAR: usize = 0x24;
    const LOAD: usize = 0x28;

    const fn systick(offset: usize) -> Register {
        // SAFETY: at this address is SysTick, which touches no memory.
        unsafe { Register::at(0xe000_e010 + offset) }
    }
    const SYSTICK_CONTROL: Register = Self::systick(0x0);
    const SYSTICK_RELOAD: Register = Self::systick(0x4);
    const SYSTICK_VALUE: Register = Self::systick(0x8);

    fn start() {
        Self::SYSTICK_RELOAD.write(Self::COUNT_MAX);
        Self::SYSTICK_VALUE.write(0);
        // On, by the core's clock, without its exception.
        Self::SYSTICK_CONTROL.write(1 | 1 << 2);
        for number in [0, 1] {
            // 32 bits, one shot.
            Self::register(number, Self::CONFIGURATION).write(0);
            Self::register(number, Self::MODE).write(1);
        }
        Self::register(0, Self::INTERRUPT_MASK).write(1);
    }

    /// Lets a timer run once.
    fn run_once(number: usize, counts: u32) {
        Self::register(number, Self::CONTROL).write(0);
        Self::register(number, Self::LOAD).write(counts);
        Self::register(number, Self::CONTROL).write(1);
    }
}

impl Timer for Timers {
    const COUNTS_PER_US: u32 = 50;
    const COUNT_MAX: u32 = (1 << 24) - 1;

    fn count() -> u32 {
        Self::COUNT_MAX - Self::SYSTICK_VALUE.read()
    }

    fn set_alarm(counts: u32) {
        Self::run_once(0, counts);
    }
}

unsafe extern "C" fn handle_alarm() {
    Timers::register(0, Timers::INTERRUPT_CLEAR).write(1);
    CLOCK.handle_alarm();
}

mod watchdog {
    use super::{Register, WATCHDOG_COUNTS};

    const fn register(offset: usize) -> Register {
        // SAFETY: at this address is the watchdog, which touches no memory.
        unsafe { Register::at(0x4000_0000 + offset) }
    }
    const LOAD: Register = register(0x0);
    const CONTROL: Register = register(0x8);
    const INTERRUPT_CLEAR: Register = register(0xc);

    /// An interrupt when it has not been fed for one period, a reset after two.
    pub(super) fn start() {
        LOAD.write(WATCHDOG_COUNTS);
        CONTROL.write(1 | 2);
    }

    /// Clearing the interrupt begins a new period.
    pub(super) fn feed() {
        INTERRUPT_CLEAR.write(1);
    }
}

unsafe extern "C" fn handle_watchdog() {
    ThisBoard::print("watchdog: the tasks make no progress\n");
    ThisBoard::fail()
}

/// The longest frame, without its checksum.
const FRAME_LEN_MAX: usize = 1514;
/// The device puts a length of two bytes before a frame, and takes and gives whole words.
const LENGTH_LEN: usize = 2;
const FRAME_BUFFER_LEN: usize = (LENGTH_LEN + FRAME_LEN_MAX).next_multiple_of(4);

/// One frame on its way in, one on its way out, each behind its length.
struct Frames {
    received: [u8; FRAME_BUFFER_LEN],
    sent: [u8; FRAME_BUFFER_LEN],
}

/// The chip's Ethernet MAC and PHY.
pub(crate) struct Ethernet {
    frames: &'static mut Frames,
    link: LinkState,
    /// When to look at the link again.
    next_look: Instant,
}

static NETWORK_WAKER: AtomicWaker = AtomicWaker::new();

const fn network(offset: usize) -> Register {
    // SAFETY: at this address is the Ethernet device, which touches no memory.
    unsafe { Register::at(0x4004_8000 + offset) }
}
const INTERRUPTS: Register = network(0x00);
const INTERRUPT_MASK: Register = network(0x04);
const RECEIVE_CONTROL: Register = network(0x08);
const TRANSMIT_CONTROL: Register = network(0x0c);
const DATA: Register = network(0x10);
const ADDRESS: [Register; 2] = [network(0x14), network(0x18)];
const MII_CONTROL: Register = network(0x20);
const MII_DIVIDER: Register = network(0x24);
const MII_RECEIVED: Register = network(0x30);
const PACKETS: Register = network(0x34);
const TRANSMIT_REQUEST: Register = network(0x38);

/// Bits of INTERRUPTS and INTERRUPT_MASK.
const RECEIVED: u32 = 1 << 0;
const TRANSMITTED: u32 = 1 << 2;

const LINK_INTERVAL: Duration = Duration::from_millis(500);

fn phy_read(number: u32) -> u32 {
    const START: u32 = 1;
    MII_CONTROL.write(number << 3 | START);
    while MII_CONTROL.read() & START != 0 {}
    MII_RECEIVED.read() & 0xffff
}

/// Whether the PHY sees a link. QEMU has none: where the PHY does not say who it is, there is nothing to ask, and frames
/// are lost while the cable is out.
fn link() -> LinkState {
    const STATUS: u32 = 1;
    const IDENTIFIER: u32 = 2;
    // The register remembers that the link was down; the second reading tells how it is.
    phy_read(STATUS);
    if phy_read(STATUS) & 1 << 2 != 0 || phy_read(IDENTIFIER) == 0 {
        LinkState::Up
    } else {
        LinkState::Down
    }
}

unsafe extern "C" fn handle_network() {
    INTERRUPT_MASK.write(0);
    NETWORK_WAKER.wake();
}

impl Ethernet {
    fn start() -> Self {
        static FRAMES: ConstStaticCell<Frames> = ConstStaticCell::new(Frames {
            received: [0; FRAME_BUFFER_LEN],
            sent: [0; FRAME_BUFFER_LEN],
        });

        INTERRUPT_MASK.write(0);
        INTERRUPTS.write(u32::MAX);
        let [a, b, c, d, e, f] = system::address();
        let [low, high] = ADDRESS;
        low.write(u32::from_le_bytes([a, b, c, d]));
        high.write(u32::from_le_bytes([e, f, 0, 0]));
        // The PHY's line may have at most 2.5 MHz: 50 MHz by 2 * (9 + 1).
        MII_DIVIDER.write(9);
        const EMPTY: u32 = 1 << 4;
        const DROP_BAD: u32 = 1 << 3;
        const ON: u32 = 1;
        RECEIVE_CONTROL.write(EMPTY);
        RECEIVE_CONTROL.write(DROP_BAD | ON);
        // Full duplex, with checksum and padding.
        TRANSMIT_CONTROL.write(1 << 4 | 1 << 2 | 1 << 1 | 1);
        Self {
            frames: FRAMES.take(),
            link: link(),
            next_look: Instant::MIN,
        }
    }

    /// Takes the next frame out of the device; 0 if there is none.
    fn take_frame(&mut self) -> usize {
        const CHECKSUM_LEN: usize = 4;
        while PACKETS.read() & 0x3f != 0 {
            let first = DATA.read().to_le_bytes();
            let [low, high, ..] = first;
            // It counts itself and the checksum, too.
            let len = usize::from(u16::from_le_bytes([low, high]));
            let mut places = self.frames.received.as_chunks_mut::<4>().0.iter_mut();
            if let Some(place) = places.next() {
                *place = first;
            }
            for _ in 1..len.div_ceil(4) {
                let word = DATA.read().to_le_bytes();
                if let Some(place) = places.next() {
                    *place = word;
                }
            }
            let len = len.saturating_sub(LENGTH_LEN + CHECKSUM_LEN);
            if (1..=FRAME_LEN_MAX).contains(&len) {
                return len;
            }
        }
        0
    }

    /// Whether the frame sent last has left.
    fn may_send() -> bool {
        TRANSMIT_REQUEST.read() & 1 == 0
    }

    /// Lets the interrupt come for a frame that has come or left; the caller looks once more afterwards.
    fn await_interrupt(context: &Context<'_>) {
        NETWORK_WAKER.register(context.waker());
        INTERRUPTS.write(RECEIVED | TRANSMITTED);
        INTERRUPT_MASK.write(RECEIVED | TRANSMITTED);
    }
}

impl Driver for Ethernet {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, ToSend<'_>)> {
        if !Self::may_send() {
            context.waker().wake_by_ref();
            return None;
        }
        let mut len = self.take_frame();
        if len == 0 {
            Self::await_interrupt(context);
            len = self.take_frame();
        }
        let frames = &mut *self.frames;
        let frame = frames.received.get_mut(LENGTH_LEN..LENGTH_LEN + len)?;
        (len > 0).then_some((Received(frame), ToSend(&mut frames.sent)))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<ToSend<'_>> {
        if !Self::may_send() {
            // It is sent within a fraction of a millisecond; the next turn looks again.
            context.waker().wake_by_ref();
            return None;
        }
        Some(ToSend(&mut self.frames.sent))
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        let now = Instant::now();
        if now >= self.next_look {
            self.link = link();
            self.next_look = now + LINK_INTERVAL;
        }
        embassy_time_driver::schedule_wake(self.next_look.as_ticks(), context.waker());
        self.link
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        // The device's memory for received frames holds little more than one.
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(system::address())
    }
}

/// A frame that has come.
pub(crate) struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a frame to send.
pub(crate) struct ToSend<'a>(&'a mut [u8; FRAME_BUFFER_LEN]);

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        const HEADER_LEN: usize = 14;
        let len = len.min(FRAME_LEN_MAX);
        let result = fill(&mut self.0[LENGTH_LEN..LENGTH_LEN + len]);

        // The length counts neither itself nor the Ethernet header.
        let payload_len = len.saturating_sub(HEADER_LEN) as u16;
        self.0[..LENGTH_LEN].copy_from_slice(&payload_len.to_le_bytes());
        let words = (LENGTH_LEN + len).div_ceil(4);
        for word in self.0.as_chunks::<4>().0.iter().take(words) {
            DATA.write(u32::from_le_bytes(*word));
        }
        TRANSMIT_REQUEST.write(1);
        // QEMU does not look at its user network while the guest has no timer that is about to end. Timer 1 ends in 0.2 ms
        // and does nothing.
        Timers::run_once(1, 200 * Timers::COUNTS_PER_US);
        result
    }
}
