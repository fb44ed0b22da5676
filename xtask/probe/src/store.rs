//! Packets and the store: GET, SET and DELETE answered by hand, without an engine.

use memlet_core::store::{Attributes, SetMode, Store, StoreOptions};
use memlet_core::wire::{Limits, Opcode, Parsed, Request, Response, Status};

use crate::Served;
use crate::cell::{Cell, Late, MEMLET_STORE_MEMORY};

static STORE: Cell<Late<Store<&'static mut [u8]>>> = Cell::new(Late::new());

pub(crate) fn serve(input: &[u8], output: &mut [u8], now: u32) -> Served {
    // SAFETY: calls do not overlap, and nothing else borrows these two. The memory is borrowed for good, but only by the
    // call that makes the store, as the store stays.
    let (store, memory) = unsafe { (STORE.borrow(), || &mut MEMLET_STORE_MEMORY.borrow()[..]) };
    let Some(store) = store.get_or_make(|| Store::new(memory(), StoreOptions::default()).ok())
    else {
        return Served {
            consumed: 0,
            written: 0,
        };
    };
    match Request::parse(input, &Limits::default()) {
        Ok(Parsed::Complete {
            value: request,
            consumed,
        }) => Served {
            consumed,
            written: answer(store, &request, output, now),
        },
        Ok(Parsed::NeedMore { .. }) => Served {
            consumed: 0,
            written: 0,
        },
        Err(_) => Served {
            consumed: input.len(),
            written: 0,
        },
    }
}

fn answer(
    store: &mut Store<&'static mut [u8]>,
    request: &Request<'_>,
    output: &mut [u8],
    now: u32,
) -> usize {
    let key = store.key(request.key);
    let mut response = Response::new(request.opcode, Status::SUCCESS);
    response.opaque = request.opaque;
    match request.opcode {
        Opcode::GET => match store.get(key, now) {
            Some(item) => {
                let (front, back) = item.value.pieces();
                response.cas = item.cas;
                let Ok(value_len) = u32::try_from(item.value.len()) else {
                    return 0;
                };
                let Ok(head_len) = response.emit_head(value_len, output) else {
                    return 0;
                };
                let Some(rest) = output.get_mut(head_len..) else {
                    return 0;
                };
                return head_len + item.value.copy_to(rest).min(front.len() + back.len());
            }
            None => response.status = Status::KEY_ENOENT,
        },
        Opcode::DELETE => {
            if store.delete(key, request.cas, now).is_err() {
                response.status = Status::KEY_ENOENT;
            }
        }
        _ => match store.set(
            SetMode::Set,
            key,
            request.value,
            Attributes::default(),
            request.cas,
            now,
        ) {
            Ok(cas) => response.cas = cas,
            Err(_) => response.status = Status::NOT_STORED,
        },
    }
    response.emit(output).unwrap_or(0)
}
