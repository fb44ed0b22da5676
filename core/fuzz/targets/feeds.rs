//! Any bytes to the machines of feeds: the first byte chooses the machine, the rest is its.

#[path = "feeds_dcp.rs"]
mod dcp;
#[path = "feeds_tap.rs"]
mod tap;

pub(crate) fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    match choice % 6 {
        0 => tap::consumer(rest),
        2 => tap::producer(rest),
        4 => tap::connect(rest),
        1 => dcp::consumer(rest),
        3 => dcp::session(rest),
        _ => dcp::message(rest),
    }
}
