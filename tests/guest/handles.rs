//! Hazard: handles of Windows. Level-triggered, more than a wait takes, and what cannot be waited for.

#![cfg(windows)] // nobody else has them

use crate::common::*;

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use windows_sys::Win32::Foundation::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Threading::{
    CreateEventW, CreateMutexW, CreateSemaphoreW, ReleaseSemaphore, ResetEvent, SetEvent,
};

struct Event(OwnedHandle);

impl Event {
    /// `manual`: it stays set until it is reset.
    fn new(manual: bool) -> Rc<Event> {
        // SAFETY: no memory is involved.
        let event = unsafe { CreateEventW(std::ptr::null(), manual.into(), 0, std::ptr::null()) };
        Rc::new(Event(made(event)))
    }

    fn number(&self) -> OsFd {
        self.0.as_raw_handle() as OsFd
    }

    fn set(&self) {
        // SAFETY: an open handle.
        assert_ne!(unsafe { SetEvent(self.0.as_raw_handle()) }, 0);
    }

    fn reset(&self) {
        // SAFETY: as above.
        assert_ne!(unsafe { ResetEvent(self.0.as_raw_handle()) }, 0);
    }
}

#[track_caller]
fn add(toy: &Toy, handle: OsFd, probe: &P, act: impl FnMut(&Handle) + 'static) -> Id {
    toy.handle().handle_add(handle, probe.fd(act)).unwrap()
}

fn level_triggered(drive: Drive) {
    let _alone = alone();
    let (toy, probe, event) = (Toy::start(drive), Probe::new(), Event::new(true));
    let (seen, inside) = (probe.clone(), event.clone());
    let id = add(&toy, event.number(), &probe, move |_| {
        if seen.calls() % 3 == 0 {
            inside.reset();
        }
    });
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 0);
    for round in 1..=5 {
        event.set();
        toy.run_until(|| probe.calls() == 3 * round);
        toy.run_for(3 * MS);
        assert_eq!((probe.calls(), probe.flags.get()), (3 * round, READABLE));
    }
    toy.handle().close(id).unwrap();
    event.set();
    toy.run_until(|| probe.drops() == 1);
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 15);
    toy.end();
}

#[test]
fn handle_level_triggered_thread() {
    level_triggered(Drive::Thread);
}

#[test]
fn handle_level_triggered_fd() {
    level_triggered(Drive::Fd);
}

#[test]
fn handle_that_a_wait_resets_is_told_once_each() {
    let _alone = alone();
    let (toy, counted, events) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    // SAFETY: no memory is involved.
    let semaphore = made(unsafe { CreateSemaphoreW(std::ptr::null(), 0, 100, std::ptr::null()) });
    let event = Event::new(false);
    add(&toy, semaphore.as_raw_handle() as OsFd, &counted, nothing);
    add(&toy, event.number(), &events, nothing);
    // SAFETY: an open handle.
    assert_ne!(unsafe { ReleaseSemaphore(semaphore.as_raw_handle(), 30, std::ptr::null_mut()) }, 0);
    for calls in 1..=10 {
        event.set();
        toy.run_until(|| events.calls() == calls);
    }
    toy.run_until(|| counted.calls() == 30);
    toy.run_for(5 * MS);
    assert_eq!((counted.calls(), events.calls()), (30, 10));
    toy.end();
}

#[test]
fn handle_three_hundred_at_once() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let all: Vec<_> = (0..300)
        .map(|_| {
            let (event, probe) = (Event::new(false), Probe::new());
            add(&toy, event.number(), &probe, nothing);
            (event, probe)
        })
        .collect();
    for round in 1..=3 {
        all.iter().for_each(|(event, _)| event.set());
        toy.run_until(|| all.iter().all(|(_, probe)| probe.calls() == round));
    }
    toy.end();
    assert!(all.iter().all(|(_, probe)| probe.drops() == 1));
}

#[test]
fn handle_is_paused_by_fd_modify() {
    let _alone = alone();
    let (toy, probe, event) = (Toy::start(Drive::Thread), Probe::new(), Event::new(false));
    let id = add(&toy, event.number(), &probe, nothing);
    toy.handle().fd_modify(id, 0).unwrap();
    event.set();
    toy.run_for(5 * MS);
    assert_eq!(probe.calls(), 0);
    toy.handle().fd_modify(id, READABLE).unwrap();
    toy.run_until(|| probe.calls() == 1);
    toy.end();
}

#[test]
fn handle_may_be_closed_by_its_owner() {
    let _alone = alone();
    let (toy, probe, event) = (Toy::start(Drive::Thread), Probe::new(), Event::new(false));
    add(&toy, event.number(), &probe, nothing);
    drop(event);
    toy.run_for(3 * MS);
    assert_eq!(probe.calls(), 0);
    toy.end();
    assert_eq!(probe.drops(), 1);
}

/// The library has a copy of the one that was closed, and goes on with it.
#[test]
fn handle_number_comes_again() {
    let _alone = alone();
    let (toy, first, second) = (Toy::start(Drive::Thread), Probe::new(), Probe::new());
    let (event, kept) = (Event::new(false), Event::new(false));
    let number = event.number();
    let old = add(&toy, number, &first, nothing);
    drop(event);
    // Until the system gives the number out again.
    let mut others = Vec::new();
    let again = loop {
        assert!(others.len() < 1000, "the number does not come again");
        let event = Event::new(false);
        if event.number() == number {
            break event;
        }
        others.push(event);
    };
    let new = add(&toy, number, &second, nothing);
    for calls in 1..=3 {
        again.set();
        toy.run_until(|| second.calls() == calls);
    }
    assert_eq!(first.calls(), 0);
    // Each is changed and ended by its id, whoever has the number.
    toy.handle().fd_modify(old, 0).unwrap();
    toy.handle().close(old).unwrap();
    again.set();
    toy.run_until(|| second.calls() == 4 && first.drops() == 1);
    toy.handle().close(new).unwrap();
    add(&toy, kept.number(), &Probe::new(), nothing);
    add(&toy, kept.number(), &Probe::new(), nothing);
    toy.end();
}

#[test]
fn handle_refused() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let refusal = |handle: OsFd| {
        let probe = Probe::new();
        let error = toy.handle().handle_add(handle, probe.fd(nothing)).unwrap_err();
        assert_eq!((probe.calls(), probe.drops()), (0, 1));
        (error.status, error.os_error, error.message)
    };
    for none in [0, INVALID_HANDLE_VALUE as OsFd] {
        assert_eq!(refusal(none).0, Status::INVAL);
    }
    let (status, code, text) = refusal(CLOSED_FD);
    assert_eq!((status, code), (Status::OS, Some(ERROR_INVALID_HANDLE as i32)));
    assert!(text.contains("not open"), "{text}");
    // SAFETY: no memory is involved.
    let mutex = made(unsafe { CreateMutexW(std::ptr::null(), 0, std::ptr::null()) });
    let (status, code, text) = refusal(mutex.as_raw_handle() as OsFd);
    assert_eq!((status, code), (Status::OS, Some(ERROR_INVALID_PARAMETER as i32)));
    assert!(text.contains("mutex"), "{text}");
    assert_eq!(toy.stats().live_sources, 0, "none of the refusals left a trace");
    toy.end();
}

/// Loops nest without threads.
#[cfg(not(asyncguest_inbox))] // whose port cannot be waited for
#[test]
fn guest_as_a_handle_of_another_guest() {
    let _alone = alone();
    let (inner, outer) = (Toy::start(Drive::Fd), Toy::start(Drive::Thread));
    let (bridge, timer) = (Probe::new(), Probe::new());
    let bridged = inner.clone();
    let id = add(&outer, inner.guest().fd().unwrap(), &bridge, move |_| bridged.deliver(0));
    inner.add_timer(MS, MS, &timer, nothing);
    outer.run_until(|| timer.calls() >= 5);
    outer.handle().close(id).unwrap();
    outer.run_until(|| bridge.drops() == 1);
    inner.end();
    outer.end();
}
