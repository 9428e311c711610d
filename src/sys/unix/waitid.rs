//! L1. How a child has ended, by its number.
//!
//! Runs on any thread; [`wait_for_exit`] blocks, and is for the waiter thread of a system whose poller
//! cannot watch children. Imports libc only.
//!
//! The waiter thread only learns that the child has ended: reaping stays with the host thread, so that a child
//! whose source was closed is left to its owner.

use std::io;
use std::mem::MaybeUninit;

use crate::sys::exit::ChildExit;

/// Reaps a child if it has ended; `None` while it runs.
pub(crate) fn reap(pid: i32) -> io::Result<Option<ChildExit>> {
    reap_by(libc::P_PID, pid as libc::id_t)
}

/// Is `pid` a child of ours, running or ended? `ESRCH` if there is no such process, `ECHILD` if it
/// is not ours.
pub(crate) fn exists_as_child(pid: i32) -> io::Result<()> {
    match wait_on(libc::P_PID, pid as libc::id_t, libc::WNOHANG | libc::WNOWAIT) {
        Ok(_) => Ok(()),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
            // SAFETY: signal 0 is none; the call only looks whether the process exists. EPERM means
            // that it does.
            let gone = unsafe { libc::kill(pid, 0) } != 0
                && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
            Err(if gone { io::Error::from_raw_os_error(libc::ESRCH) } else { error })
        }
        Err(error) => Err(error),
    }
}

/// Blocks until the child has ended, and leaves it to be reaped. Returns at once if it is no child
/// (any more).
pub(crate) fn wait_for_exit(pid: i32) {
    // ECHILD, the only other error, also means that there is nothing to wait for: `reap` will tell.
    let _ = wait_on(libc::P_PID, pid as libc::id_t, libc::WNOWAIT);
}

pub(in crate::sys) fn reap_by(kind: libc::idtype_t, id: libc::id_t) -> io::Result<Option<ChildExit>> {
    match wait_on(kind, id, libc::WNOHANG) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(Some(ChildExit::UNKNOWN)),
        exit => exit,
    }
}

/// `waitid` for an end, through interruptions; `None` if WNOHANG was given and there is none.
fn wait_on(kind: libc::idtype_t, id: libc::id_t, options: i32) -> io::Result<Option<ChildExit>> {
    loop {
        // Zeroed, since WNOHANG leaves si_pid alone when there is nothing to report.
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: `info` is ours to write.
        if unsafe { libc::waitid(kind, id, info.as_mut_ptr(), libc::WEXITED | options) } == 0 {
            // SAFETY: zeroed is a valid value, and so is what waitid made of it.
            let info = unsafe { info.assume_init() };
            // SAFETY: these fields of the union are the ones that waitid fills in, else zero.
            let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
            return Ok(match (pid, info.si_code) {
                (0, _) => None,
                (_, libc::CLD_EXITED) => Some(ChildExit { code: status, signal: 0 }),
                _ => Some(ChildExit { code: -1, signal: status }),
            });
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A child that waits for the end of its input and then runs a line of shell; and its pid.
    fn child(line: &str) -> (Child, i32) {
        let line = format!("read x; {line}");
        let child = Command::new("sh").arg("-c").arg(line).stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id() as i32;
        (child, pid)
    }

    #[test]
    fn every_kind_of_end_is_told_apart() {
        for (line, exit) in [
            ("exit 0", ChildExit { code: 0, signal: 0 }),
            ("exit 255", ChildExit { code: 255, signal: 0 }),
            ("kill -TERM $$", ChildExit { code: -1, signal: libc::SIGTERM }),
            ("kill -KILL $$", ChildExit { code: -1, signal: libc::SIGKILL }),
        ] {
            let (mut child, pid) = child(line);
            assert_eq!(reap(pid).unwrap(), None, "{line}: it still runs");
            exists_as_child(pid).unwrap();
            drop(child.stdin.take());
            wait_for_exit(pid);
            exists_as_child(pid).unwrap();
            assert_eq!(reap(pid).unwrap(), Some(exit), "{line}");
            assert_eq!(reap(pid).unwrap(), Some(ChildExit::UNKNOWN), "{line}: it is reaped already");
            wait_for_exit(pid);
        }
    }

    #[test]
    fn only_children_are_accepted() {
        let (mut child, pid) = child("exit 0");
        drop(child.stdin.take());
        wait_for_exit(pid);
        reap(pid).unwrap();
        let os_error = |pid| exists_as_child(pid).unwrap_err().raw_os_error();
        assert_eq!(os_error(pid), Some(libc::ESRCH), "it is gone");
        assert_eq!(os_error(1), Some(libc::ECHILD), "init is not ours");
    }
}
