//! Pipes, children, forks, and what else the tests need of Unix.

use super::*;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub use libc::{
    AF_INET, AF_INET6, AI_NUMERICHOST, AI_PASSIVE, EAI_FAMILY, EAI_NONAME, EAI_SERVICE, IPPROTO_TCP,
    SOCK_STREAM,
};

/// A signal that can be watched, and one that cannot.
pub const SIGNAL: i32 = libc::SIGUSR1;
pub const NO_SIGNAL: i32 = libc::SIGKILL;
/// What is no fd, and the number of none that is open.
pub const NO_FD: OsFd = -1;
pub const CLOSED_FD: OsFd = 1_000_000;

/// The system's answer, which must not be an error.
#[track_caller]
pub fn must(result: i32) -> i32 {
    assert!(result >= 0, "{}", std::io::Error::last_os_error());
    result
}

/// The number of this thread, found without memory.
pub fn this_thread() -> usize {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::pthread_self() as usize }
}

/// Makes a loop's poll return.
pub struct Wakeup(File);

impl Wakeup {
    pub fn new() -> Wakeup {
        // SAFETY: no pointers; the fd is new and nobody else's.
        let fd =
            unsafe { OwnedFd::from_raw_fd(must(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))) };
        Wakeup(fd.into())
    }

    pub fn fd(&self) -> OsFd {
        self.0.as_raw_fd()
    }

    pub fn set(&self) {
        (&self.0).write_all(&1u64.to_ne_bytes()).unwrap();
    }

    pub fn clear(&self) {
        // Empty is as good.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

/// Whether one of the library's alarms is set to the next ten minutes, or one of its threads waits with a limit, or not at
/// all. For a test that is alone. On systems other than Linux nobody tells.
pub fn wakes_by_itself() -> bool {
    let every =
        |folder: &str| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    let soon = every("/proc/self/fdinfo").any(|fd| {
        let info = read(&fd);
        let left = info.lines().find_map(|line| line.strip_prefix("it_value: (")?.strip_suffix(")"));
        left.is_some_and(|left| {
            left != "0, 0" && left.split(',').next().unwrap().parse::<u64>().unwrap() < 600
        })
    });
    let awake = every("/proc/self/task").any(|thread| {
        let name = read(&thread.join("comm"));
        let call = read(&thread.join("syscall"));
        let forever = call.split(' ').nth(4).is_some_and(|limit| limit.ends_with("ffffffff")); // of epoll_wait: -1, in musl as a long
        (name.starts_with("asyncguest-io") || name.starts_with("asyncguest-watc")) && !forever
    });
    soon || awake
}

/// Which of `fds` are readable, after `wait` nanoseconds at most.
pub fn poll_fds(fds: &[OsFd], wait: u64) -> Vec<bool> {
    let entry = |&fd: &OsFd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut entries: Vec<_> = fds.iter().map(entry).collect();
    let wait = wait.min(3600 * SECOND);
    let timeout = libc::timespec { tv_sec: (wait / SECOND) as i64, tv_nsec: (wait % SECOND) as i64 };
    let count = entries.len() as libc::nfds_t;
    // SAFETY: `count` entries, and a timeout, which outlive the call; no mask.
    let polled = unsafe { libc::ppoll(entries.as_mut_ptr(), count, &timeout, std::ptr::null()) };
    if polled < 0 {
        assert_eq!(std::io::Error::last_os_error().kind(), ErrorKind::Interrupted);
        entries.iter_mut().for_each(|entry| entry.revents = 0);
    }
    entries.iter().map(|entry| entry.revents != 0).collect()
}

/// An end of a pipe.
pub type End = File;

pub(super) fn number(end: &End) -> OsFd {
    end.as_raw_fd()
}

impl Channel {
    /// A pipe, both ends non-blocking.
    pub fn new() -> Rc<Channel> {
        let mut fds = [0; 2];
        // SAFETY: room for two fds, which nobody else owns then.
        let [input, output] = unsafe {
            must(libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK));
            fds.map(|fd| File::from_raw_fd(fd))
        };
        Channel::of(input, output)
    }

    pub fn write(&self, bytes: usize) {
        self.write_all(bytes);
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        while self.output.borrow().as_ref().unwrap().write(&[0; 4096]).is_ok() {}
    }

    /// Reads until nothing is left.
    pub fn drain(&self) {
        while self.input.borrow().as_ref().unwrap().read(&mut [0; 4096]).is_ok() {}
    }

    /// This pipe's input under a number that is free.
    pub fn duplicate_input(&self, number: OsFd) -> OwnedFd {
        // SAFETY: no other thread of the test opens fds now, so the number stays free until it is taken.
        unsafe { OwnedFd::from_raw_fd(must(libc::dup2(self.input(), number))) }
    }

    /// Puts this pipe's input under the number of `other`'s, whose file it closes.
    pub fn replace_input(&self, other: &Channel) {
        // SAFETY: both are open, and `other`'s File goes on owning its number.
        unsafe { must(libc::dup2(self.input(), other.input())) };
    }
}

/// Lets a waiting child go on.
pub type Go = Channel;

/// A child process that ends with `code` once the returned pipe is written to.
pub fn waiting_child(code: i32) -> (i32, Rc<Channel>) {
    let go = Channel::new();
    let pid = fork(|| {
        go.close_output();
        poll_fds(&[go.input()], FOREVER);
        code
    });
    (pid, go)
}

pub fn ending_child(code: i32) -> i32 {
    fork(|| code)
}

/// Runs `child` in a forked child, which exits with what it returns.
fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs what the tests give it, and ends without anybody's exit handlers.
    let pid = must(unsafe { libc::fork() });
    if pid == 0 {
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child));
        let code = ran.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
            let _ = writeln!(std::io::stderr(), "in the fork: {text}");
            101
        });
        // SAFETY: ends this process.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// Runs `child` in a fork; a panic there fails the test.
#[track_caller]
pub fn in_fork(child: impl FnOnce()) {
    let pid = fork(|| {
        child();
        0
    });
    assert_eq!(wait_for(pid), Some(0), "the fork failed");
}

/// Reaps a child: its exit code, unless a signal killed it; `None` also if it is no child any more.
pub fn wait_for(pid: i32) -> Option<i32> {
    let mut status = 0;
    // SAFETY: `status` is ours to write.
    let reaped = unsafe { libc::waitpid(pid, &mut status, 0) };
    (reaped == pid && libc::WIFEXITED(status)).then(|| libc::WEXITSTATUS(status))
}

/// Waits until a child has ended, and leaves it unreaped.
pub fn wait_unreaped(pid: i32) {
    // SAFETY: all zero is a valid siginfo_t, and it is ours to write.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        must(libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, libc::WEXITED | libc::WNOWAIT));
    }
}

/// Ends a child, and reaps it.
pub fn end_child(pid: i32) {
    kill(pid, libc::SIGKILL);
    assert_eq!(wait_for(pid), None);
}

pub fn kill(pid: i32, signum: i32) {
    // SAFETY: no memory is involved.
    must(unsafe { libc::kill(pid, signum) });
}

/// A signal to this thread alone: it has been handled when this returns.
pub fn raise(signum: i32) {
    // SAFETY: no memory is involved.
    must(unsafe { libc::raise(signum) });
}
