//! L1. How a child has ended. Imports nothing.

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChildExit {
    /// 0 to 255; -1 if a signal killed it; -2 if somebody else reaped it.
    pub code: i32,
    /// The signal that killed it, else 0.
    pub signal: i32,
}

impl ChildExit {
    /// Somebody else reaped it, or the program ignores SIGCHLD and the kernel did.
    pub(crate) const UNKNOWN: ChildExit = ChildExit { code: -2, signal: 0 };
}
