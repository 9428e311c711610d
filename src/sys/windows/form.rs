//! L1. Which of its two forms a completion port has on this system.
//!
//! Owns: what the self-test has found, once in a process. Any thread. Imports the port, which it tries, and a wait for it.

use std::io;

use once_cell::sync::OnceCell;

use super::port::{Form, Key, Packet, Port};
use super::registered::{Often, Registered};

/// The form for this system, found out once in a process. A trial that the system had nothing left for is no answer: the
/// form is then the one that always works, and the next guest tries again.
pub(super) fn form() -> Form {
    static WHOLE: OnceCell<bool> = OnceCell::new();
    match WHOLE.get_or_try_init(can_be_waited_for) {
        Ok(true) if !cfg!(asyncguest_inbox) => Form::Handle,
        _ => Form::Inbox,
    }
}

/// Whether a port is signalled while it has a packet, wakes who sleeps on it, and loses nothing by being waited for.
fn can_be_waited_for() -> io::Result<bool> {
    const LONG: u32 = 5_000;
    let port = Port::of(Form::Handle)?;
    if port.is_signalled() {
        return Ok(false);
    }
    let bell = Port::of(Form::Handle)?;
    let packet = Packet { key: Key::Waker, data: 7 };
    let wait = Registered::new(port.handle(), &bell, packet, Often::Once)?;
    port.post(packet.key, packet.data);
    let mut slept_well = false;
    bell.take(LONG, |_| slept_well = true)?;
    drop(wait);
    let still_there = port.is_signalled();
    let mut taken = Vec::new();
    port.take(0, |packet| taken.push(packet))?;
    let whole = taken == [packet] && !port.is_signalled();
    Ok(slept_well && still_there && whole)
}
