//! L1. The program's own handlers: what is put over them, how they are called, how they are given back.
//!
//! Owns: the disposition of each signal while somebody holds it; nothing else, and nothing before.
//! The entries run on whichever thread the kernel picks, the rest on host threads. Imports libc and
//! [`super`]'s list of listeners. A handler takes no lock and no memory: it reads what is below it
//! from atomics.
//!
//! **Chaining.** Over another handler ours takes on its flags and mask, so that it runs as it did:
//! it is interrupted by the same signals, on the same stack, and system calls restart or not, as
//! the program is used to. Over none, ours has SA_RESTART, SA_ONSTACK and an empty mask. Ours
//! counts first and calls the other one last, which may leave by `longjmp`: nothing of ours is held
//! then.
//!
//! **Giving back.** The last release restores the action from before, but only if ours is still on
//! top. Else somebody has put a handler over ours, who may call ours for ever after: ours stays
//! where it is and forwards. Whether he does call it cannot be known, so the next hold goes on top
//! again, with *another* of [`LEVELS`] entries, each of which forwards to what it was put over:
//! ```text
//!   kernel -> entry 1 -> theirs -> entry 0 -> the first one       (only entry 1 counts, see COUNTING)
//! ```
//! No cycle can come of it: an unused entry is known to nobody. A used one goes on top again only
//! over the handler that it forwards to anyway; if that handler led back to it, the cycle was there
//! before. When all entries are used up, each under a different handler of somebody else's, hold
//! fails with `EBUSY`.
//!
//! **Nobody there.** If no guest of this process listens (the process is a fork of the one that did, or
//! theirs was taken off again) and there is no handler below, the default action happens: a forked
//! child can be terminated as ever.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::ptr::null;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize};
use std::sync::atomic::{Ordering::Acquire, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};

use super::{process, COUNT};

/// How many different handlers may come over ours, each while ours was not on top any more.
const LEVELS: usize = 4;

/// Has our handler called for `signum` until the matching [`release`]. It is on top afterwards.
pub(super) fn hold(signum: i32) -> io::Result<()> {
    let mut registry = Registry::lock();
    registry.install(signum)?;
    registry.holders[signum as usize] += 1;
    Ok(())
}

/// Ends one [`hold`]; the last one gives the signal back.
pub(super) fn release(signum: i32) {
    let mut registry = Registry::lock();
    let holders = &mut registry.holders[signum as usize];
    *holders -= 1;
    if *holders == 0 {
        registry.restore(signum);
    }
}

/// What the handler has to know about the action that an entry was put over.
struct Below {
    handler: AtomicUsize,
    /// SA_RESETHAND: it is called once, then the action is the default.
    once: AtomicBool,
}

/// By level and signal. Written before the entry is installed.
static BELOW: [[Below; COUNT]; LEVELS] = [const {
    [const { Below { handler: AtomicUsize::new(libc::SIG_DFL), once: AtomicBool::new(false) } }; COUNT]
}; LEVELS];

/// By signal: the level that counts arrivals. Those below it in the chain only forward.
static COUNTING: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

type Handler = extern "C-unwind" fn(i32, *mut libc::siginfo_t, *mut c_void);

/// A static, so that each entry has one address and comparing them is sound.
static ENTRIES: [Handler; LEVELS] = [entry::<0>, entry::<1>, entry::<2>, entry::<3>];

/// What the kernel calls. "C-unwind", since a chained handler may end its thread, which unwinds
/// through here.
extern "C-unwind" fn entry<const LEVEL: usize>(
    signum: i32,
    info: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: errno's address is valid for the calling thread.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { *errno };

    let taken = counts(LEVEL, signum) && super::arrived(signum);
    let below = &BELOW[LEVEL][signum as usize];
    match below.handler.load(Acquire) {
        libc::SIG_IGN => {}
        libc::SIG_DFL if taken => {}
        libc::SIG_DFL => {
            // Only if nobody is above: one who calls handlers by hand gets no default action from it.
            let is_on_top = |top: libc::sigaction| is_entry(&top, LEVEL) || top.sa_sigaction == libc::SIG_DFL;
            if current(signum).is_ok_and(is_on_top) {
                default_action(signum);
            }
        }
        handler => {
            if below.once.load(Relaxed) {
                let _ = below.handler.compare_exchange(handler, libc::SIG_DFL, SeqCst, Relaxed);
            }
            // SAFETY: the address was a handler's in a sigaction. One without SA_SIGINFO takes the
            // number only, and the other arguments do not disturb it: the kernel itself passes all
            // three to either kind.
            let handler: Handler = unsafe { std::mem::transmute(handler) };
            handler(signum, info, context);
        }
    }
    // SAFETY: as above; a handler returns on the thread that it was called on.
    unsafe { *errno = before };
}

/// Whether this level counts: the one that was put on top last, or, if somebody took that one off again
/// together with what it was over, the one that is on top now.
fn counts(level: usize, signum: i32) -> bool {
    let counting = &COUNTING[signum as usize];
    if counting.load(Acquire) == level {
        return true;
    }
    let on_top = current(signum).is_ok_and(|top| is_entry(&top, level));
    if on_top {
        counting.store(level, Release);
    }
    on_top
}

/// Does what the kernel does with a signal that has no handler. Runs in the handler.
fn default_action(signum: i32) {
    match signum {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => {}
        // SAFETY: raise may be called in a signal handler; it stops the process here and now.
        libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => unsafe {
            libc::raise(libc::SIGSTOP);
        },
        _ => {
            // It cannot fail: the signal had a handler, ours.
            let _ = set(signum, &action(libc::SIG_DFL));
            // SAFETY: as above. It ends the process, at the latest when the handler returns and
            // unblocks it.
            unsafe { libc::raise(signum) };
        }
    }
}

/// Who holds, and the whole actions that ours were put over. Changed under its lock only.
struct Registry {
    /// The process that counted the holders.
    process: i32,
    holders: [u32; COUNT],
    /// By signal and level; `None` where the entry is not in use.
    below: [[Option<libc::sigaction>; LEVELS]; COUNT],
}

/// The process that holds the lock, or 0. Not std's mutex: in a child that was forked while another
/// thread held it, nobody would ever unlock that. Here the child sees that the holder is not of its
/// process and takes the lock over. Each step of a registration leaves the registry usable.
static HOLDER: AtomicI32 = AtomicI32::new(0);

struct Cell(UnsafeCell<Registry>);

// SAFETY: reached only through `Locked`, one at a time.
unsafe impl Sync for Cell {}

static REGISTRY: Cell =
    Cell(UnsafeCell::new(Registry { process: 0, holders: [0; COUNT], below: [[None; LEVELS]; COUNT] }));

struct Locked(());

impl Deref for Locked {
    type Target = Registry;
    fn deref(&self) -> &Registry {
        // SAFETY: HOLDER is ours until drop.
        unsafe { &*REGISTRY.0.get() }
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut Registry {
        // SAFETY: HOLDER is ours until drop.
        unsafe { &mut *REGISTRY.0.get() }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        HOLDER.store(0, Release);
    }
}

impl Registry {
    /// Held for two or three system calls, and rarely by two threads at a time: waiting is yielding.
    fn lock() -> Locked {
        let process = process();
        let mut expected = 0;
        while let Err(holder) = HOLDER.compare_exchange(expected, process, Acquire, Relaxed) {
            if holder != 0 && holder != process {
                expected = holder;
            } else {
                expected = 0;
                std::thread::yield_now();
            }
        }
        let mut registry = Locked(());
        if registry.process != process {
            // After a fork: the actions are inherited, the listeners are not.
            registry.process = process;
            registry.holders = [0; COUNT];
        }
        registry
    }

    /// Puts one of our entries on top, if none is.
    fn install(&mut self, signum: i32) -> io::Result<()> {
        let levels = &mut self.below[signum as usize];
        loop {
            let found = current(signum)?;
            if let Some(level) = (0..LEVELS).find(|level| is_entry(&found, *level)) {
                COUNTING[signum as usize].store(level, Release);
                return Ok(());
            }
            let is_found = |below: &libc::sigaction| below.sa_sigaction == found.sa_sigaction;
            let level = (levels.iter().position(|below| below.as_ref().is_some_and(is_found)))
                .or_else(|| levels.iter().position(Option::is_none))
                .ok_or_else(|| io::Error::from_raw_os_error(libc::EBUSY))?;
            publish(level, signum, &found);
            let before = levels[level].replace(found);
            let replaced =
                set(signum, &over(&found, level, signum)).inspect_err(|_| levels[level] = before)?;
            if is_found(&replaced) {
                COUNTING[signum as usize].store(level, Release);
                return Ok(());
            }
            // Somebody installed another one between our look and our step: look again.
            set(signum, &replaced)?;
            levels[level] = before;
        }
    }

    /// Gives back the action below ours, if ours is on top. A signal that we could take is one we
    /// can give back.
    fn restore(&mut self, signum: i32) {
        let levels = &mut self.below[signum as usize];
        let Ok(found) = current(signum) else { return };
        let Some(level) = (0..LEVELS).find(|level| is_entry(&found, *level)) else { return };
        let Some(mut below) = levels[level] else { return };
        // One that wanted to be called once, and has been.
        below.sa_sigaction = BELOW[level][signum as usize].handler.load(Acquire);
        let Ok(replaced) = set(signum, &below) else { return };
        if is_entry(&replaced, level) {
            levels[level] = None;
        } else {
            // Somebody went on top between our look and our step, and ours stays below.
            let _ = set(signum, &replaced);
        }
    }
}

/// Tells the entry of `level` what it is put over.
fn publish(level: usize, signum: i32, below: &libc::sigaction) {
    let entry = &BELOW[level][signum as usize];
    entry.once.store(below.sa_flags & libc::SA_RESETHAND != 0, Relaxed);
    entry.handler.store(below.sa_sigaction, Release);
}

/// Our action over `below`; see "Chaining" at the top.
fn over(below: &libc::sigaction, level: usize, signum: i32) -> libc::sigaction {
    let mut ours = action(ENTRIES[level] as *const () as usize);
    if below.sa_sigaction != libc::SIG_DFL && below.sa_sigaction != libc::SIG_IGN {
        ours.sa_mask = below.sa_mask;
        ours.sa_flags = (below.sa_flags & !libc::SA_RESETHAND) | libc::SA_SIGINFO;
    } else {
        ours.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_SIGINFO;
        // A program that lets the kernel reap its children goes on doing so.
        if signum == libc::SIGCHLD && below.sa_sigaction == libc::SIG_IGN {
            ours.sa_flags |= libc::SA_NOCLDWAIT;
        }
        ours.sa_flags |= below.sa_flags & libc::SA_NOCLDWAIT;
    }
    ours
}

fn is_entry(action: &libc::sigaction, level: usize) -> bool {
    action.sa_sigaction == ENTRIES[level] as *const () as usize
}

/// An action without flags and with an empty mask.
fn action(handler: usize) -> libc::sigaction {
    // SAFETY: all zero is a valid action: the default, no flags, nothing masked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action
}

fn current(signum: i32) -> io::Result<libc::sigaction> {
    exchange(signum, null())
}

/// Sets the action and returns the one that was in force.
fn set(signum: i32, new: &libc::sigaction) -> io::Result<libc::sigaction> {
    exchange(signum, new)
}

/// Fails for a signal that somebody keeps for himself, as Valgrind does with the last one.
fn exchange(signum: i32, new: *const libc::sigaction) -> io::Result<libc::sigaction> {
    let mut old = MaybeUninit::uninit();
    // SAFETY: `new` is NULL or outlives the call, `old` is ours to write. May be called in a signal
    // handler.
    if unsafe { libc::sigaction(signum, new, old.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: sigaction has filled it in.
    Ok(unsafe { old.assume_init() })
}

#[cfg(test)]
mod tests;
