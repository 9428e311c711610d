//! L1. A fence for all threads at once, so that those which need it often need none of their own. Any thread. Imports libc only.

use std::ffi::c_int;
use std::io;

// As the kernel's membarrier.h has them.
const QUERY: c_int = 0;
const PRIVATE_EXPEDITED: c_int = 1 << 3;
const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

/// Whether [`fence_all`] can be had: from Linux 4.14 on, unless a sandbox refuses it.
pub(crate) fn can_fence_all() -> bool {
    membarrier(QUERY).is_ok_and(|commands| commands & PRIVATE_EXPEDITED != 0)
}

/// When this returns, every other thread of the process has passed a full fence.
pub(crate) fn fence_all() -> io::Result<()> {
    // Once for a process; harmless when repeated.
    membarrier(REGISTER_PRIVATE_EXPEDITED)?;
    membarrier(PRIVATE_EXPEDITED).map(drop)
}

fn membarrier(command: c_int) -> io::Result<c_int> {
    // SAFETY: no memory is involved.
    match unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) } {
        ..0 => Err(io::Error::last_os_error()),
        answer => Ok(answer as c_int),
    }
}
