//! WIZnet's W5500-EVB-Pico: an RP2040 (two Cortex-M0+ at 125 MHz, 264 KiB of RAM, 2 MiB of flash), and a W5500 for Ethernet.
//! A Raspberry Pi Pico with a W5500 module that is wired alike does as well.
//!
//! ```ld
//! MEMORY
//! {
//!   BOOT2 : ORIGIN = 0x10000000, LENGTH = 0x100
//!   FLASH : ORIGIN = 0x10000100, LENGTH = 2048K - 0x100
//!   STACK : ORIGIN = 0x20000000, LENGTH = 12K
//!   RAM   : ORIGIN = 0x20003000, LENGTH = 252K
//! }
//! _stack_start = ORIGIN(STACK) + LENGTH(STACK);
//! _stack_end = ORIGIN(STACK);
//! SECTIONS
//! {
//!   .boot2 ORIGIN(BOOT2) : { KEEP(*(.boot2)); } > BOOT2
//! } INSERT BEFORE .text;
//! ```
//!
//! Time, interrupts and drivers are embassy's for this chip. The W5500 has a TCP/IP of its own, which is not used: it passes
//! frames on. The second core sleeps. Numbers for the seed come from the ring oscillator.
//!
//! | pin | of | is |
//! | --- | --- | --- |
//! | GP16, GP18, GP19 | W5500 | SPI: MISO, SCK, MOSI |
//! | GP17, GP20, GP21 | W5500 | chip select, reset, interrupt; all low when active |
//! | GP0, GP1 | serial port | sends, receives (feature `uart`) |
//! | GP2, GP3 | serial port | CTS, RTS: connect CTS to ground if the other side has no flow control |
//! | GP25 | LED | changes with every beat of the tasks, once a second |

use core::pin::pin;

use embassy_executor::Spawner;
use embassy_net_wiznet::chip::W5500;
use embassy_rp::clocks::RoscRng;
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, FLASH, SPI0};
use embassy_rp::spi::{Async, Spi};
#[cfg(feature = "uart")]
use embassy_rp::uart::BufferedUart;
use embassy_rp::watchdog::Watchdog;
use embassy_rp::{Peri, bind_interrupts, dma, spi};
use embassy_time::{Delay, Duration};
use embedded_hal_bus::spi::ExclusiveDevice;
use static_cell::StaticCell;

use super::Board;
use crate::heartbeat;

#[cfg(feature = "serial-only")]
compile_error!("this board starts with its W5500 in any case: use the feature `uart`");

bind_interrupts!(struct Interrupts {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
});

/// What the W5500's data sheet guarantees; the divider makes 31.25 MHz of it.
const SPI_HZ: u32 = 33_000_000;

/// Frames that wait on their way in and on their way out, of 1514 bytes each.
const FRAMES: usize = 6;

/// Nearly the longest that the watchdog can wait.
const WATCHDOG: Duration = Duration::from_secs(8);

type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;
type Runner = embassy_net_wiznet::Runner<'static, W5500, Bus, Input<'static>, Output<'static>>;

pub(crate) struct ThisBoard {
    watchdog: Watchdog,
    led: Output<'static>,
    #[cfg(feature = "uart")]
    serial: Option<serial::Pins>,
}

impl Board for ThisBoard {
    const NAME: &'static str = "w5500-evb-pico";
    const RAM_LEN: usize = 264 << 10;
    type Network = embassy_net_wiznet::Device<'static>;

    async fn start(spawner: Spawner) -> (Self, Self::Network) {
        static FRAMES_STATE: StaticCell<embassy_net_wiznet::State<FRAMES, FRAMES>> =
            StaticCell::new();

        #[cfg(not(feature = "defmt"))]
        rtt_target::rtt_init_print!();
        let pins = embassy_rp::init(Default::default());
        let mut watchdog = Watchdog::new(pins.WATCHDOG);
        watchdog.pause_on_debug(true);
        watchdog.start(WATCHDOG);

        let mut config = spi::Config::default();
        config.frequency = SPI_HZ;
        let bus = Spi::new(
            pins.SPI0,
            pins.PIN_18,
            pins.PIN_19,
            pins.PIN_16,
            pins.DMA_CH0,
            pins.DMA_CH1,
            Interrupts,
            config,
        );
        let select = Output::new(pins.PIN_17, Level::High);
        let Ok(bus) = ExclusiveDevice::new(bus, select, Delay);
        let interrupt = Input::new(pins.PIN_21, Pull::Up);
        let reset = Output::new(pins.PIN_20, Level::High);
        let state = FRAMES_STATE.init_with(embassy_net_wiznet::State::new);
        let address = address(pins.FLASH);
        let Ok((network, runner)) =
            embassy_net_wiznet::new(address, state, bus, interrupt, reset).await
        else {
            Self::print("the W5500 does not answer\n");
            Self::fail()
        };
        if let Ok(token) = run(runner) {
            spawner.spawn(token);
        }
        let board = Self {
            watchdog,
            led: Output::new(pins.PIN_25, Level::Low),
            #[cfg(feature = "uart")]
            serial: Some(serial::Pins(
                pins.UART0, pins.PIN_0, pins.PIN_1, pins.PIN_2, pins.PIN_3,
            )),
        };
        (board, network)
    }

    #[cfg(feature = "uart")]
    type Serial = BufferedUart;

    #[cfg(feature = "uart")]
    fn serial(&mut self) -> BufferedUart {
        match self.serial.take() {
            Some(pins) => serial::start(pins),
            None => Self::fail(),
        }
    }

    fn seed(&mut self) -> [u64; 2] {
        [RoscRng.next_u64(), RoscRng.next_u64()]
    }

    fn feed_watchdog(&mut self) {
        self.watchdog.feed(WATCHDOG);
        self.led.toggle();
    }

    fn print(text: &str) {
        // A log has the channel for itself.
        #[cfg(feature = "defmt")]
        defmt::error!("{=str}", text.trim_end());
        #[cfg(not(feature = "defmt"))]
        rtt_target::rprint!("{}", text);
    }

    fn fail() -> ! {
        cortex_m::peripheral::SCB::sys_reset()
    }
}

/// The address of the network device: a local one, made of the number that its maker gave the flash.
fn address(flash: Peri<'static, FLASH>) -> [u8; 6] {
    const FLASH_LEN: usize = 2 << 20;
    let mut id = [0; 8];
    // Without it two boards in one network get in each other's way, and nothing else.
    let _ = Flash::<_, Blocking, FLASH_LEN>::new_blocking(flash).blocking_unique_id(&mut id);
    let [.., a, b, c, d, e] = id;
    [0x02, a, b, c, d, e]
}

/// Moves frames between the W5500 and embassy-net.
#[embassy_executor::task]
async fn run(runner: Runner) -> ! {
    heartbeat::watch(pin!(runner.run())).await
}

/// The first UART, a PL011. Its driver reports what was lost, and holds off a host that heeds RTS while its ring is full.
#[cfg(feature = "uart")]
mod serial {
    use embassy_rp::peripherals::{PIN_0, PIN_1, PIN_2, PIN_3, UART0};
    use embassy_rp::uart::{BufferedInterruptHandler, BufferedUart, Config};
    use embassy_rp::{Peri, bind_interrupts};
    use static_cell::ConstStaticCell;

    use crate::settings::{SERIAL_BAUD, SERIAL_RECEIVE_LEN, SERIAL_SEND_LEN};

    bind_interrupts!(struct Interrupts {
        UART0_IRQ => BufferedInterruptHandler<UART0>;
    });

    /// What the port consists of: sends, receives, CTS, RTS.
    pub(super) struct Pins(
        pub(super) Peri<'static, UART0>,
        pub(super) Peri<'static, PIN_0>,
        pub(super) Peri<'static, PIN_1>,
        pub(super) Peri<'static, PIN_2>,
        pub(super) Peri<'static, PIN_3>,
    );

    pub(super) fn start(Pins(uart, send, receive, cts, rts): Pins) -> BufferedUart {
        static RINGS: ConstStaticCell<([u8; SERIAL_SEND_LEN], [u8; SERIAL_RECEIVE_LEN])> =
            ConstStaticCell::new(([0; SERIAL_SEND_LEN], [0; SERIAL_RECEIVE_LEN]));
        let (to_send, received) = RINGS.take();
        let mut config = Config::default();
        config.baudrate = SERIAL_BAUD;
        BufferedUart::new_with_rtscts(
            uart, send, receive, rts, cts, Interrupts, to_send, received, config,
        )
    }
}
