//! L2. Which thread is the host thread.
//!
//! Owns: the answer, which changes when another thread adopts the guest. That may happen while the old host thread posts, as every
//! thread may at any moment: so what it does without a lock is done by [`HostThread::stay`]. Imports no more of the crate
//! than `sync`, so that the models in `tests/loom` run this file.
//!
//! Of the two halves of a fence, who stays has the one that costs nothing, and who adopts the other. Only the thread that has
//! started the guest ever stays, so that nobody else writes `staying`.

use crossbeam_utils::CachePadded;

use crate::sync::{light_fence, AtomicBool, AtomicUsize, Ordering};

pub(crate) struct HostThread {
    now: AtomicUsize,
    /// That which has started the guest; 0: nobody may stay.
    first: usize,
    /// Written with every post, beside what other threads read with theirs.
    staying: CachePadded<AtomicBool>,
}

impl HostThread {
    /// `may_stay`: whether the others can be fenced by one that adopts the guest.
    pub(crate) fn new(me: usize, may_stay: bool) -> HostThread {
        let first = if may_stay { me } else { 0 };
        HostThread { now: AtomicUsize::new(me), first, staying: CachePadded::new(AtomicBool::new(false)) }
    }

    #[inline(always)]
    pub(crate) fn is(&self, me: usize) -> bool {
        self.now.load(Ordering::Relaxed) == me
    }

    /// Does something that no other host thread does at the same time. `None`: this is not the host thread, or not the first one.
    #[inline(always)]
    pub(crate) fn stay<R>(&self, me: usize, f: impl FnOnce() -> R) -> Option<R> {
        if me != self.first {
            return None;
        }
        self.staying.store(true, Ordering::Relaxed);
        light_fence();
        let done = self.is(me).then(f);
        self.staying.store(false, Ordering::Release);
        done
    }

    /// This thread is the host thread from here on. `fence`: has every other thread pass a fence; it stays as it was if that fails.
    pub(crate) fn adopt<E>(
        &self,
        me: usize,
        fence: impl FnOnce() -> Result<(), E>,
        pause: impl Fn(),
    ) -> Result<(), E> {
        let before = self.now.swap(me, Ordering::Relaxed);
        if before == self.first && before != me {
            fence().inspect_err(|_| self.now.store(before, Ordering::Relaxed))?;
            while self.staying.load(Ordering::Acquire) {
                pause();
            }
        }
        Ok(())
    }
}
