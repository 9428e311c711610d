//! L0. The one table of status codes, and the error that carries one.
//!
//! Owns: every number, name and text that a caller can see. Runs on any thread. Imports nothing.
//! A code is never renumbered and never reused: programs store and compare them.

use std::borrow::Cow;
use std::collections::TryReserveError;
use std::ffi::CStr;
use std::fmt;

/// Everything went well.
pub const GUEST_OK: i32 = 0;
/// A required pointer is NULL.
pub const GUEST_ENULL: i32 = -1;
/// An argument is outside its range.
pub const GUEST_EINVAL: i32 = -2;
/// `struct_size` is not a size that this library knows.
pub const GUEST_ESIZE: i32 = -3;
/// An unknown flag bit, drive or event bit was given.
pub const GUEST_EFLAGS: i32 = -4;
/// The id or token is old, doubled or of another guest; nothing was done.
pub const GUEST_ESTALE: i32 = -5;
/// The call belongs on the host thread and came from another one.
pub const GUEST_ETHREAD: i32 = -6;
/// The call does not fit the drive or the form that the guest was started with.
pub const GUEST_EDRIVE: i32 = -7;
/// The guest was cancelled or has ended, or the stream is broken; nothing new is taken.
pub const GUEST_ECLOSED: i32 = -8;
/// This process is a fork of the one that started the guest.
pub const GUEST_EFORKED: i32 = -9;
/// The library panicked; the guest is poisoned and only `guest_free` is left.
pub const GUEST_EPANIC: i32 = -10;
/// The operating system refused; `guest_last_error` has its error number.
pub const GUEST_EOS: i32 = -11;
/// That fd, signal or child is registered already.
pub const GUEST_EEXIST: i32 = -12;
/// The name could not be resolved.
pub const GUEST_ERESOLVE: i32 = -13;
/// The host ran the token inside `post` instead of queueing it.
pub const GUEST_EINLINE: i32 = -14;
/// The deadline passed first.
pub const GUEST_ETIMEDOUT: i32 = -15;
/// The host has gone; the guest can only be shut down and freed.
pub const GUEST_EHOSTGONE: i32 = -16;
/// This system cannot do that.
pub const GUEST_ENOTSUP: i32 = -17;
/// Calls came in the wrong order, for example `guest_batch_next` without `guest_batch_begin`.
pub const GUEST_EORDER: i32 = -18;
/// Memory ran out, here or in the system; nothing was registered, and the guest goes on.
pub const GUEST_ENOMEM: i32 = -19;

/// A status code: `OK` or the reason why not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Status(i32);

macro_rules! table {
    ($($rust:ident = $c:ident: $text:literal;)*) => {
        impl Status {
            $(#[doc = concat!("See [`", stringify!($c), "`].")]
            pub const $rust: Status = Status($c);)*

            /// Every code, in the order of the table.
            pub const ALL: &'static [Status] = &[$(Status::$rust),*];

            /// The code's C name, or `GUEST_UNKNOWN`.
            pub fn name(self) -> &'static str {
                match self.0 { $($c => stringify!($c),)* _ => "GUEST_UNKNOWN" }
            }

            /// The same for C.
            pub fn c_name(self) -> &'static CStr {
                let bytes: &'static [u8] = match self.0 {
                    $($c => concat!(stringify!($c), "\0").as_bytes(),)*
                    _ => b"GUEST_UNKNOWN\0",
                };
                CStr::from_bytes_with_nul(bytes).unwrap_or_default()
            }

            /// One sentence on what went wrong and one on what to do.
            pub fn message(self) -> &'static str {
                match self.0 { $($c => $text,)* _ => "Unknown status code. Compare the header's version with guest_version()." }
            }
        }
    };
}

table! {
    OK = GUEST_OK: "Everything went well.";
    NULL = GUEST_ENULL: "A required pointer is NULL. Pass a valid address; guest_last_error names the argument.";
    INVAL = GUEST_EINVAL: "An argument is out of range. guest_last_error names it and the range.";
    SIZE = GUEST_ESIZE: "struct_size is not one this library knows. Set it to sizeof of the struct, from the header you compile with.";
    FLAGS = GUEST_EFLAGS: "An unknown flag, drive or event bit is set. Zero the struct first, and use only names from asyncguest.h.";
    STALE = GUEST_ESTALE: "The id or token is no longer valid; nothing was done. For a token this is harmless; forget an id when you close it.";
    THREAD = GUEST_ETHREAD: "This call belongs on the host thread, the one that called guest_start. From another thread, use guest_post.";
    DRIVE = GUEST_EDRIVE: "The call does not fit the guest's drive or form. guest_last_error says which option of guest_start it needs.";
    CLOSED = GUEST_ECLOSED: "The guest was cancelled or has ended. Start another one.";
    FORKED = GUEST_EFORKED: "This process is a fork of the one that started the guest. Start a new guest here; guest_free releases the copy.";
    PANIC = GUEST_EPANIC: "The library met a bug of its own; the guest is poisoned. Call guest_free and report the message on stderr.";
    OS = GUEST_EOS: "The operating system refused. guest_last_error has its error number and text.";
    EXIST = GUEST_EEXIST: "That fd, signal or child is registered with this guest already. Modify or close the first registration.";
    RESOLVE = GUEST_ERESOLVE: "The name could not be resolved. The callback's gai_error has the reason; check the name and the network.";
    INLINE = GUEST_EINLINE: "The host ran the token inside post. Queue the token and deliver it when post has returned; it will be posted again.";
    TIMEDOUT = GUEST_ETIMEDOUT: "The deadline passed first. Call again with more time, or guest_free to abandon what is left.";
    HOSTGONE = GUEST_EHOSTGONE: "The host said that it is gone. Call guest_shutdown or guest_free on the host thread.";
    NOTSUP = GUEST_ENOTSUP: "This system cannot do that. docs/abi.md lists what each system has.";
    ORDER = GUEST_EORDER: "Calls came in the wrong order. guest_last_error names the call that has to come first.";
    NOMEM = GUEST_ENOMEM: "Memory ran out; nothing was registered, and the guest goes on. Free some, or close what is no longer needed, and call again.";
}

impl Status {
    /// The number that crosses the C boundary.
    pub const fn code(self) -> i32 {
        self.0
    }

    /// That of a refusal of the operating system's. Lack of memory is [`Status::NOMEM`], whoever has found it out.
    pub fn of(error: &std::io::Error) -> Status {
        match error.kind() {
            std::io::ErrorKind::OutOfMemory => Status::NOMEM,
            _ => Status::OS,
        }
    }

    /// The status with that number; unknown numbers are kept as they are.
    pub const fn from_code(code: i32) -> Status {
        Status(code)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a call failed: a code, the operating system's error number if it was the one who refused,
/// and a sentence that names the caller's mistake and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which kind of failure.
    pub status: Status,
    /// `errno` of the refused system call.
    pub os_error: Option<i32>,
    /// What to do about it, with the particulars of this call.
    pub message: Cow<'static, str>,
}

/// What fallible calls of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with the particulars of this call.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Error {
        Error { status, os_error: None, message: message.into() }
    }

    /// The operating system's refusal of `what`.
    pub fn os(what: &str, error: &std::io::Error) -> Error {
        let status = Status::of(error);
        Error { status, os_error: error.raw_os_error(), message: format!("{what}: {error}").into() }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Error {
        Error::new(status, status.message())
    }
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Error {
        Status::NOMEM.into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_number_name_and_remedy() {
        for (i, a) in Status::ALL.iter().enumerate() {
            assert_eq!(a.code(), -(i as i32), "codes are dense and never renumbered");
            assert!(a.name().starts_with("GUEST_") && *a != Status::from_code(-999));
            assert_eq!(a.c_name().to_str(), Ok(a.name()));
            assert!(a.message().ends_with('.') && a.message().len() > 15, "{a}");
            assert!(Status::ALL
                .iter()
                .skip(i + 1)
                .all(|b| b.name() != a.name() && b.message() != a.message()));
        }
        assert_eq!(Status::from_code(-999).name(), "GUEST_UNKNOWN");
    }

    #[test]
    fn an_os_error_keeps_its_number() {
        let e = Error::os("open", &std::io::Error::from_raw_os_error(2));
        assert_eq!((e.status, e.os_error), (Status::OS, Some(2)));
        assert!(e.to_string().starts_with("GUEST_EOS: open: "));
    }

    #[test]
    fn lack_of_memory_has_its_own_code_whoever_found_it_out() {
        let full = Vec::<u8>::new().try_reserve(usize::MAX).unwrap_err();
        assert_eq!(Error::from(full.clone()).status, Status::NOMEM);
        assert_eq!(Error::os("growing", &full.into()).status, Status::NOMEM);
        // ENOMEM, ERROR_NOT_ENOUGH_MEMORY.
        let lack = if cfg!(windows) { 8 } else { 12 };
        let of_the_system = Error::os("watching", &std::io::Error::from_raw_os_error(lack));
        assert_eq!((of_the_system.status, of_the_system.os_error), (Status::NOMEM, Some(lack)));
    }
}
