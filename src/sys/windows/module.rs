//! L1. The module that this code is in: the DLL, or the program that was linked with the static library. Any thread. Imports
//! windows-sys only.

use std::io;

use windows_sys::Win32::System::LibraryLoader::{
    GetModuleHandleExW, GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN,
};

use super::handle::succeeded;

/// Keeps the module loaded for as long as the process lives, however often `FreeLibrary` is called: threads of the library
/// run in it, some of them longer than the guest, and threads of the program have values in it that end when they do. Linux's
/// library says the same to its linker (`build.rs`).
pub(super) fn pin() -> io::Result<()> {
    let mut module = std::ptr::null_mut();
    let of_this_code = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    let here = pin as fn() -> io::Result<()>;
    // SAFETY: an address in this module, in the place of a name as the flag says, and a place to write to.
    succeeded(unsafe { GetModuleHandleExW(of_this_code, here as *const u16, &mut module) })
}
