//! Hazard: the console of Windows. Ctrl-C reaches who listens, and the process lives.

#![cfg(windows)] // the signals of Unix have signals.rs

use crate::common::*;

#[test]
fn console_event_reaches_every_guest_that_listens() {
    let _alone = alone();
    let (first, second) = (Toy::start(Drive::Thread), Toy::start(Drive::Fd));
    let (near, far) = (Probe::new(), Probe::new());
    let id = first.add_signal(SIGNAL, &near);
    second.add_signal(SIGNAL, &far);
    assert_eq!(refused(first.handle().signal_add(SIGNAL, |_, _, _| {})), Status::EXIST);
    assert_eq!(refused(first.handle().signal_add(NO_SIGNAL, |_, _, _| {})), Status::INVAL);
    let before = signal_arrivals(SIGNAL);
    raise(SIGNAL);
    first.run_until(|| near.calls() == 1);
    second.run_until(|| far.calls() == 1);
    assert_eq!((near.value.get(), near.flags.get()), (1, SIGNAL as u32));
    assert_eq!(signal_arrivals(SIGNAL) - before, 1, "once for both");
    first.handle().close(id).unwrap();
    raise(SIGNAL);
    second.run_until(|| far.calls() == 2);
    assert_eq!(near.calls(), 1);
    first.end();
    second.end();
    assert_eq!((near.drops(), far.drops()), (1, 1));
}
