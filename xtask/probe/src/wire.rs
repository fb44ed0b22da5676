//! Packets alone: every request is taken apart and answered with its own key and value.

use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

use crate::Served;

pub(crate) fn serve(input: &[u8], output: &mut [u8], now: u32) -> Served {
    match Request::parse(input, &Limits::default()) {
        Ok(Parsed::Complete {
            value: request,
            consumed,
        }) => {
            let mut response = Response::new(request.opcode, Status::SUCCESS);
            response.opaque = request.opaque;
            response.cas = request.cas.wrapping_add(u64::from(now));
            response.extras = request.extras;
            response.key = request.key;
            response.value = request.value;
            Served {
                consumed,
                written: response.emit(output).unwrap_or(0),
            }
        }
        Ok(Parsed::NeedMore { .. }) => Served {
            consumed: 0,
            written: 0,
        },
        Err(_) => {
            let mut response = Response::new(Opcode::NOOP, Status::EINVAL);
            response.value = Status::EINVAL.text().as_bytes();
            Served {
                consumed: input.len(),
                written: response.emit(output).unwrap_or(0),
            }
        }
    }
}
