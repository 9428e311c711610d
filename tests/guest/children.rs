//! Hazard: child processes. Each is reaped once, by the guest that watches it, without SIGCHLD.

use crate::common::*;

fn exit_code(drive: Drive) {
    let _alone = alone();
    let toy = Toy::start(drive);
    for code in [0, 1, 42, 255] {
        let (probe, pid) = (Probe::new(), ending_child(code));
        let id = toy.add_child(pid, &probe);
        toy.run_until(|| probe.drops() == 1);
        assert_eq!((probe.calls(), probe.value.get(), probe.flags.get()), (1, code.into(), 0));
        assert_eq!(probe.id.get(), Some(id));
        assert_eq!(refused(toy.handle().close(id)), Status::STALE, "it has closed itself");
        #[cfg(unix)] // nobody reaps in Windows
        assert_eq!(wait_for(pid), None, "and the child is reaped");
    }
    toy.end();
}

#[test]
fn child_exit_code_thread() {
    exit_code(Drive::Thread);
}

#[test]
fn child_exit_code_fd() {
    exit_code(Drive::Fd);
}

#[cfg(unix)] // Windows has no signals
#[test]
fn child_killed_by_signal() {
    let _alone = alone();
    let (toy, probe, (pid, _go)) = (Toy::start(Drive::Thread), Probe::new(), waiting_child(0));
    toy.add_child(pid, &probe);
    toy.run_for(5 * MS);
    assert_eq!(probe.calls(), 0, "still alive");
    kill(pid, libc::SIGKILL);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!((probe.value.get(), probe.flags.get()), (-1, libc::SIGKILL as u32));
    toy.end();
}

#[test]
fn child_already_ended() {
    let _alone = alone();
    let (toy, probe, pid) = (Toy::start(Drive::Thread), Probe::new(), ending_child(9));
    wait_unreaped(pid);
    toy.add_child(pid, &probe);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.value.get(), 9);
    toy.end();
}

#[cfg(unix)] // nobody reaps in Windows
#[test]
fn child_reaped_by_somebody_else() {
    let _alone = alone();
    let (toy, probe, (pid, go)) = (Toy::start(Drive::Thread), Probe::new(), waiting_child(7));
    toy.add_child(pid, &probe);
    go.write(1);
    assert_eq!(wait_for(pid), Some(7));
    toy.run_until(|| probe.drops() == 1);
    let unknown = asyncguest::ffi::types::GUEST_EXIT_UNKNOWN;
    assert_eq!((probe.value.get(), probe.flags.get()), (unknown.into(), 0));
    toy.end();
}

#[cfg(unix)] // Windows counts as a child what can be waited for: unit test of sys/windows/waitid
#[test]
fn child_that_does_not_exist() {
    let _alone = alone();
    let (toy, pid) = (Toy::start(Drive::Thread), ending_child(0));
    assert_eq!(wait_for(pid), Some(0));
    let probe = Probe::shared();
    let error = toy.handle().child_add(pid, probe.child(nothing)).unwrap_err();
    assert_eq!((error.status, error.os_error), (Status::OS, Some(libc::ESRCH)));
    for pid in [0, -1, i32::MIN] {
        assert_eq!(refused(toy.handle().child_add(pid, probe.child(nothing))), Status::INVAL);
    }
    assert_eq!((probe.drops(), toy.stats().live_sources), (4, 0));
    toy.end();
}

#[test]
fn child_watched_twice() {
    let _alone = alone();
    let (toy, probe, (pid, go)) = (Toy::start(Drive::Thread), Probe::new(), waiting_child(3));
    toy.add_child(pid, &probe);
    assert_eq!(refused(toy.handle().child_add(pid, |_, _, _| {})), Status::EXIST);
    go.write(1);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.value.get(), 3);
    toy.end();
}

#[test]
fn child_outlives_the_guest() {
    let _alone = alone();
    let (toy, probe, (pid, go)) = (Toy::start(Drive::Thread), Probe::new(), waiting_child(4));
    toy.add_child(pid, &probe);
    toy.end();
    assert_eq!((probe.calls(), probe.drops()), (0, 1));
    go.write(1);
    assert_eq!(wait_for(pid), Some(4), "it is still ours to reap");
}

#[cfg(unix)] // Windows has no SIGCHLD
#[test]
fn child_leaves_sigchld_alone() {
    fn handler() -> usize {
        // SAFETY: all zero is a valid sigaction, and it is ours to write.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            must(libc::sigaction(libc::SIGCHLD, std::ptr::null(), &mut action));
            action.sa_sigaction
        }
    }
    let _alone = alone();
    let before = handler();
    let (toy, probe) = (Toy::start(Drive::Thread), Probe::new());
    toy.add_child(ending_child(0), &probe);
    assert_eq!(handler(), before);
    toy.run_until(|| probe.drops() == 1);
    toy.end();
}

/// The whole number with ASYNCGUEST_TEST_LONG set, as in the C tests.
#[test]
fn child_ten_thousand_in_sequence() {
    let _alone = alone();
    let count = if std::env::var_os("ASYNCGUEST_TEST_LONG").is_some() { 10_000 } else { 100 };
    let toy = Toy::start(Drive::Thread);
    for i in 0..count {
        let probe = Probe::new();
        toy.add_child(ending_child(i % 256), &probe);
        toy.run_until(|| probe.drops() == 1);
        assert_eq!(probe.value.get(), i64::from(i % 256));
    }
    assert_eq!(toy.stats().live_sources, 0);
    toy.end();
}

#[test]
fn child_fifty_at_once() {
    let _alone = alone();
    let toy = Toy::start(Drive::Thread);
    let start = |i| {
        let (probe, (pid, go)) = (Probe::new(), waiting_child(i));
        toy.add_child(pid, &probe);
        (probe, go)
    };
    let all: Vec<_> = (0..50).map(start).collect();
    all.iter().for_each(|(_, go)| go.write(1));
    for (i, (probe, _)) in all.iter().enumerate() {
        toy.run_until(|| probe.drops() == 1);
        assert_eq!(probe.value.get(), i as i64);
    }
    toy.end();
}

/// An fd was closed before its paused source, so that nobody noticed; the fd that watches the child may be given
/// that number.
#[test]
fn child_after_a_dead_fd() {
    let _alone = alone();
    let (toy, probe, dead) = (Toy::start(Drive::Fd), Probe::new(), Probe::new());
    let pipe = Channel::new();
    toy.add_fd(pipe.input(), 0, &dead, nothing);
    pipe.close_input();
    toy.add_child(ending_child(7), &probe);
    toy.run_until(|| probe.drops() == 1);
    assert_eq!(probe.value.get(), 7);
    toy.end();
    assert_eq!((dead.calls(), dead.drops()), (0, 1));
}
