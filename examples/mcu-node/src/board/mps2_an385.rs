//! ARM's MPS2 with the Cortex-M3 of application note 385, as QEMU emulates it (`-M mps2-an385`).
//!
//! ```ld
//! MEMORY
//! {
//!   FLASH : ORIGIN = 0x00000000, LENGTH = 4M
//!   STACK : ORIGIN = 0x20000000, LENGTH = 12K
//!   RAM   : ORIGIN = 0x20003000, LENGTH = 4084K
//! }
//! _stack_start = ORIGIN(STACK) + LENGTH(STACK);
//! _stack_end = ORIGIN(STACK);
//! ```
//!
//! Devices: LAN9118 Ethernet, the first CMSDK UART (feature `uart`), two CMSDK timers at 25 MHz, the CMSDK watchdog. It has
//! no random number generator: the seed comes from the host's clock and is no secret.

use core::task::Context;

use cortex_m_rt::exception;
use embassy_executor::Spawner;
use embassy_net::driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use static_cell::ConstStaticCell;

#[cfg(feature = "uart")]
use super::port::{LineError, Port, Serial, Uart};
use super::register::{Register, Vector, enable_interrupt};
use super::{Board, semihosting};
use crate::clock::{Clock, Timer};

#[cfg(feature = "uart")]
const SERIAL_RECEIVE_IRQ: usize = 0;
#[cfg(feature = "uart")]
const SERIAL_SEND_IRQ: usize = 1;
const TIMER_ALARM_IRQ: usize = 9;
const NETWORK_IRQ: usize = 13;

/// Counts of the watchdog's clock until it raises its NMI, and again until it resets: 16 seconds each, since its clock also runs
/// while a busy host does not run the emulator.
const WATCHDOG_COUNTS: u32 = 400_000_000;

embassy_time_driver::time_driver_impl!(static CLOCK: Clock<Timers> = Clock::new());

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
static __INTERRUPTS: [Vector; NETWORK_IRQ + 1] = {
    let mut vectors = [Vector::UNUSED; NETWORK_IRQ + 1];
    #[cfg(feature = "uart")]
    {
        vectors[SERIAL_RECEIVE_IRQ] = Vector::new(serial::handle_receive);
        vectors[SERIAL_SEND_IRQ] = Vector::new(serial::handle_send);
    }
    vectors[TIMER_ALARM_IRQ] = Vector::new(handle_alarm);
    vectors[NETWORK_IRQ] = Vector::new(handle_network);
    vectors
};

pub(crate) struct ThisBoard(());

impl Board for ThisBoard {
    const NAME: &'static str = "mps2-an385";
    const RAM_LEN: usize = 4 << 20;
    type Network = Lan9118;

    async fn start(_: Spawner) -> (Self, Lan9118) {
        Timers::start();
        let network = Lan9118::start();
        watchdog::start();
        enable_interrupt(TIMER_ALARM_IRQ);
        enable_interrupt(NETWORK_IRQ);
        (Self(()), network)
    }

    #[cfg(feature = "uart")]
    type Serial = Serial<serial::Uart0>;

    #[cfg(feature = "uart")]
    fn serial(&mut self) -> Self::Serial {
        let port = serial::start();
        enable_interrupt(SERIAL_RECEIVE_IRQ);
        enable_interrupt(SERIAL_SEND_IRQ);
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

/// Timer 0 runs free, timer 1 is the alarm.
struct Timers;

impl Timers {
    /// Registers of a timer: counts down, and begins anew from the reload value.
    const fn register(number: usize, offset: usize) -> Register {
        // SAFETY: at these addresses are the timers, which touch no memory.
        unsafe { Register::at(0x4000_0000 + 0x1000 * number + offset) }
    }
    const CONTROL: usize = 0x0;
    const VALUE: usize = 0x4;
    const RELOAD: usize = 0x8;
    const INTERRUPT_CLEAR: usize = 0xc;

    fn start() {
        Self::register(0, Self::RELOAD).write(u32::MAX);
        Self::register(0, Self::VALUE).write(u32::MAX);
        Self::register(0, Self::CONTROL).write(1);
    }

    fn stop_alarm() {
        Self::register(1, Self::CONTROL).write(0);
        Self::register(1, Self::INTERRUPT_CLEAR).write(1);
    }
}

impl Timer for Timers {
    const COUNTS_PER_US: u32 = 25;
    const COUNT_MAX: u32 = u32::MAX;

    fn count() -> u32 {
        !Self::register(0, Self::VALUE).read()
    }

    fn set_alarm(counts: u32) {
        Self::stop_alarm();
        Self::register(1, Self::RELOAD).write(counts);
        Self::register(1, Self::VALUE).write(counts);
        Self::register(1, Self::CONTROL).write(1 | 8);
    }
}

unsafe extern "C" fn handle_alarm() {
    Timers::stop_alarm();
    CLOCK.handle_alarm();
}

/// The CMSDK UART 0: one byte each way, no flow control.
#[cfg(feature = "uart")]
mod serial {
    use super::{LineError, Port, Register, Serial, Uart};
    use crate::settings::SERIAL_BAUD;

    const CLOCK_HZ: u32 = 25_000_000;

    const fn register(offset: usize) -> Register {
        // SAFETY: at this address is the UART, which touches no memory.
        unsafe { Register::at(0x4000_4000 + offset) }
    }
    const DATA: Register = register(0x0);
    const STATE: Register = register(0x4);
    const CONTROL: Register = register(0x8);
    const INTERRUPT_CLEAR: Register = register(0xc);
    const BAUD_DIVISOR: Register = register(0x10);

    /// Bits of STATE; the overrun is cleared by writing it.
    const SEND_FULL: u32 = 1 << 0;
    const RECEIVE_FULL: u32 = 1 << 1;
    const RECEIVE_OVERRUN: u32 = 1 << 3;

    /// Bits of CONTROL: both directions, and the interrupt of sending.
    const ENABLED: u32 = 1 << 0 | 1 << 1 | 1 << 2;
    const RECEIVE_INTERRUPT: u32 = 1 << 3;

    static PORT: Port<Uart0> = Port::new();

    pub(crate) struct Uart0;

    pub(super) fn start() -> Serial<Uart0> {
        BAUD_DIVISOR.write(CLOCK_HZ / SERIAL_BAUD);
        CONTROL.write(ENABLED | RECEIVE_INTERRUPT);
        Serial(&PORT)
    }

    impl Uart for Uart0 {
        fn receive() -> Option<Result<u8, LineError>> {
            let state = STATE.read();
            if state & RECEIVE_FULL == 0 {
                return None;
            }
            let byte = DATA.read() as u8;
            if state & RECEIVE_OVERRUN != 0 {
                STATE.write(RECEIVE_OVERRUN);
                return Some(Err(LineError));
            }
            Some(Ok(byte))
        }

        fn listen(is_listening: bool) {
            CONTROL.write(if is_listening {
                ENABLED | RECEIVE_INTERRUPT
            } else {
                ENABLED
            });
        }

        fn may_send() -> bool {
            STATE.read() & SEND_FULL == 0
        }

        fn send(byte: u8) {
            DATA.write(byte.into());
        }
    }

    pub(super) unsafe extern "C" fn handle_receive() {
        INTERRUPT_CLEAR.write(1 << 1);
        PORT.handle_receive();
    }

    pub(super) unsafe extern "C" fn handle_send() {
        INTERRUPT_CLEAR.write(1 << 0);
        PORT.handle_send();
    }
}

mod watchdog {
    use super::{Register, WATCHDOG_COUNTS};

    const fn register(offset: usize) -> Register {
        // SAFETY: at this address is the watchdog, which touches no memory.
        unsafe { Register::at(0x4000_8000 + offset) }
    }
    const LOAD: Register = register(0x0);
    const CONTROL: Register = register(0x8);
    const INTERRUPT_CLEAR: Register = register(0xc);

    /// An NMI when it has not been fed for one period, a reset after two.
    pub(super) fn start() {
        LOAD.write(WATCHDOG_COUNTS);
        CONTROL.write(1 | 2);
    }

    /// Clearing the interrupt begins a new period.
    pub(super) fn feed() {
        INTERRUPT_CLEAR.write(1);
    }
}

/// The watchdog is the only source of NMIs.
#[exception]
unsafe fn NonMaskableInt() -> ! {
    ThisBoard::print("watchdog: the tasks make no progress\n");
    ThisBoard::fail()
}

/// The longest frame, without its checksum, in whole words.
const FRAME_LEN_MAX: usize = 1514;
const FRAME_BUFFER_LEN: usize = FRAME_LEN_MAX.next_multiple_of(4);

/// One frame on its way in, one on its way out.
struct Frames {
    received: [u8; FRAME_BUFFER_LEN],
    sent: [u8; FRAME_BUFFER_LEN],
}

/// The Ethernet device SMSC LAN9118.
pub(crate) struct Lan9118 {
    frames: &'static mut Frames,
    address: [u8; 6],
    link: LinkState,
}

static NETWORK_WAKER: AtomicWaker = AtomicWaker::new();

const fn network(offset: usize) -> Register {
    // SAFETY: at this address is the Ethernet device, which touches no memory.
    unsafe { Register::at(0x4020_0000 + offset) }
}
const RX_DATA: Register = network(0x00);
const TX_DATA: Register = network(0x20);
const RX_STATUS: Register = network(0x40);
const TX_STATUS: Register = network(0x48);
const IRQ_CFG: Register = network(0x54);
const INT_STS: Register = network(0x58);
const INT_EN: Register = network(0x5c);
const BYTE_TEST: Register = network(0x64);
const FIFO_INT: Register = network(0x68);
const RX_CFG: Register = network(0x6c);
const TX_CFG: Register = network(0x70);
const HW_CFG: Register = network(0x74);
const RX_FIFO_INF: Register = network(0x7c);
const TX_FIFO_INF: Register = network(0x80);
const GPT_CFG: Register = network(0x8c);
const MAC_CSR_CMD: Register = network(0xa4);
const MAC_CSR_DATA: Register = network(0xa8);

/// Bits of INT_STS and INT_EN.
const RX_STATUS_LEVEL: u32 = 1 << 3;
const PHY_CHANGE: u32 = 1 << 18;

/// Numbers of registers behind MAC_CSR_CMD.
const MAC_CR: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;
const MII_ACCESS: u32 = 6;
const MII_DATA: u32 = 7;

/// Numbers of registers of the PHY.
const PHY_STATUS: u32 = 1;
const PHY_INTERRUPT_SOURCE: u32 = 29;
const PHY_INTERRUPT_MASK: u32 = 30;

fn mac_read(number: u32) -> u32 {
    mac_run(1 << 30 | number);
    MAC_CSR_DATA.read()
}

fn mac_write(number: u32, value: u32) {
    MAC_CSR_DATA.write(value);
    mac_run(number);
}

fn mac_run(command: u32) {
    const BUSY: u32 = 1 << 31;
    MAC_CSR_CMD.write(BUSY | command);
    while MAC_CSR_CMD.read() & BUSY != 0 {}
}

fn phy_run(number: u32, is_write: bool) {
    const ADDRESS: u32 = 1 << 11;
    const BUSY: u32 = 1;
    mac_write(
        MII_ACCESS,
        ADDRESS | number << 6 | u32::from(is_write) << 1 | BUSY,
    );
    while mac_read(MII_ACCESS) & BUSY != 0 {}
}

fn phy_read(number: u32) -> u32 {
    phy_run(number, false);
    mac_read(MII_DATA)
}

fn phy_write(number: u32, value: u32) {
    mac_write(MII_DATA, value);
    phy_run(number, true);
}

/// Whether the PHY sees a link; the register remembers that it was down, so the second reading tells how it is.
fn link() -> LinkState {
    phy_read(PHY_STATUS);
    if phy_read(PHY_STATUS) & 1 << 2 != 0 {
        LinkState::Up
    } else {
        LinkState::Down
    }
}

unsafe extern "C" fn handle_network() {
    INT_EN.write(0);
    NETWORK_WAKER.wake();
}

impl Lan9118 {
    fn start() -> Self {
        static FRAMES: ConstStaticCell<Frames> = ConstStaticCell::new(Frames {
            received: [0; FRAME_BUFFER_LEN],
            sent: [0; FRAME_BUFFER_LEN],
        });

        while BYTE_TEST.read() != 0x8765_4321 {}
        HW_CFG.write(1);
        while HW_CFG.read() & 1 != 0 {}
        HW_CFG.write(0x5_0000);
        INT_EN.write(0);
        INT_STS.write(u32::MAX);
        FIFO_INT.write(0x4800_0000);
        RX_CFG.write(0);
        TX_CFG.write(2);
        // The line is pushed, active high.
        IRQ_CFG.write(0x111);
        mac_write(MAC_CR, 1 << 20 | 1 << 3 | 1 << 2);
        // Link down, and the end of the negotiation with the other side.
        phy_write(PHY_INTERRUPT_MASK, 1 << 4 | 1 << 6);

        let [a, b, c, d] = mac_read(MAC_ADDRESS_LOW).to_le_bytes();
        let [e, f, ..] = mac_read(MAC_ADDRESS_HIGH).to_le_bytes();
        Self {
            frames: FRAMES.take(),
            address: [a, b, c, d, e, f],
            link: link(),
        }
    }

    /// Takes the next good frame out of the FIFO; 0 if there is none.
    fn take_frame(&mut self) -> usize {
        const CHECKSUM_LEN: usize = 4;
        while RX_FIFO_INF.read() >> 16 & 0xff != 0 {
            let status = RX_STATUS.read();
            let len = (status >> 16 & 0x3fff) as usize;
            let words = len.div_ceil(4);
            let mut places = self.frames.received.chunks_exact_mut(4);
            for _ in 0..words {
                let word = RX_DATA.read();
                if let Some(place) = places.next() {
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
            let is_good = status & 1 << 15 == 0;
            let len = len.saturating_sub(CHECKSUM_LEN);
            if is_good && len <= FRAME_LEN_MAX {
                return len;
            }
        }
        0
    }

    /// Whether the longest frame fits into the FIFO.
    fn may_send() -> bool {
        const COMMAND_LEN: usize = 8;
        (TX_FIFO_INF.read() & 0xffff) as usize >= FRAME_BUFFER_LEN + COMMAND_LEN
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, ToSend<'_>)> {
        if !Self::may_send() {
            context.waker().wake_by_ref();
            return None;
        }
        let mut len = self.take_frame();
        if len == 0 {
            INT_STS.write(RX_STATUS_LEVEL);
            NETWORK_WAKER.register(context.waker());
            INT_EN.write(RX_STATUS_LEVEL | PHY_CHANGE);
            // One may have come before the status was reset.
            len = self.take_frame();
        }
        let frames = &mut *self.frames;
        let frame = frames.received.get_mut(..len)?;
        (len > 0).then_some((Received(frame), ToSend(&mut frames.sent)))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<ToSend<'_>> {
        if !Self::may_send() {
            // It is sent within microseconds; the next turn looks again.
            context.waker().wake_by_ref();
            return None;
        }
        Some(ToSend(&mut self.frames.sent))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        if INT_STS.read() & PHY_CHANGE != 0 {
            phy_read(PHY_INTERRUPT_SOURCE);
            self.link = link();
        }
        self.link
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LEN_MAX;
        // Few full frames fit the FIFO, and a lost one costs seconds.
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
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
        let len = len.min(FRAME_LEN_MAX);
        let result = fill(&mut self.0[..len]);

        const FIRST_AND_LAST_SEGMENT: u32 = 0x3000;
        TX_DATA.write(FIRST_AND_LAST_SEGMENT | len as u32);
        TX_DATA.write(len as u32);
        for word in self.0[..len.next_multiple_of(4)].as_chunks::<4>().0 {
            TX_DATA.write(u32::from_le_bytes(*word));
        }
        // What became of earlier frames is of no interest, but must not fill up the FIFO.
        while TX_FIFO_INF.read() >> 16 & 0xff != 0 {
            TX_STATUS.read();
        }
        // QEMU does not look at its user network while the guest has no timer that is about to end. This one ends in 0.2 ms
        // and does nothing.
        GPT_CFG.write(0xffff);
        GPT_CFG.write(1 << 29 | 2);
        result
    }
}
