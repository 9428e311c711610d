//! L1. A fence for all threads at once, so that those which need it often need none of their own. Any thread. Imports windows-sys
//! only.

use std::io;

use windows_sys::Win32::System::Threading::FlushProcessWriteBuffers;

pub(crate) fn can_fence_all() -> bool {
    true
}

pub(crate) fn fence_all() -> io::Result<()> {
    // SAFETY: no arguments, cannot fail.
    unsafe { FlushProcessWriteBuffers() };
    Ok(())
}
