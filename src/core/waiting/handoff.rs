//! L2. The hand-off: whose turn it is, and the token that names it.
//!
//! Owns: the state that the host thread and the I/O thread share, under one short lock. Nothing is
//! called while it is held. Imports `sync` alone, so that the models in `tests/loom` run this file.
//!
//! ```text
//!  I/O thread                              host thread
//!  asleep before the latch (armed)          runs its own loop            POLLING
//!  opened()  -> token, host.post                                        POSTED
//!  watch()   -> sleeps by the clock        begin(token)                 DELIVERING
//!  watch()   -> "that lasts": a token      ... a nested loop begins(token), ends
//!  watch()   -> nothing to watch           end(): more   -> token, host.post_local   POSTED
//!  asleep before the latch (armed)                 nothing -> arm the latch            POLLING
//! ```
//!
//! A host thread that waits inside its delivery (`wait` to `resume`) needs nobody to wait for it: the
//! outstanding token is taken back, and none is given out.
//!
//! A token is a name, not a baton. At most one is outstanding; posting it again is harmless, and a
//! delivery with token 0 is let in at any time without touching the outstanding one.

use crate::sync::{lock, Mutex};

/// Times that the watch goes by, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    /// A delivery that lasts longer gets a token for the nested loop that it may be running.
    pub(crate) nested_after: u64,
    /// An undelivered token is posted again after this, then after twice as much, ...
    pub(crate) repost_after: u64,
    /// A host that is stuck for so long is reported; 0: never.
    pub(crate) stall_after: u64,
}

/// The shortest pause between two posts, and the first after a failed one; it doubles up to
/// `repost_after`, where a dropped one begins.
const RETRY: u64 = 1_000_000;
/// Pauses between repetitions double up to this.
const REPOST_MAX: u64 = 10_000_000_000;

/// One delivery in progress; the last of the stack is the innermost.
struct InProgress {
    /// Since it began, or was last got its nested wake.
    counts_from: u64,
    /// A token for a nested loop has been posted.
    announced: bool,
    /// Its stall has been reported.
    stalled: bool,
    /// The host thread sleeps in it until something is due: it is not stuck, and needs no token.
    waiting: bool,
}

#[derive(Default)]
struct State {
    /// The outstanding token, 0 for none.
    token: u64,
    /// The last token given out.
    last: u64,
    posted_at: u64,
    /// Since when the host could have delivered it: not while it is inside another delivery.
    waits_since: u64,
    /// When the token is posted again, and the pause after that.
    repost_at: u64,
    pause: u64,
    /// Its last post failed, so the host has asked to be tried again.
    failing: bool,
    /// Whether the outstanding token's stall has been reported.
    stalled: bool,
    in_progress: Vec<InProgress>,
    /// The latch is armed, and how many deliveries were in progress when it was.
    armed: Option<usize>,
    /// When the I/O thread looks again without being woken; `None`: it sleeps without a limit.
    looks_at: Option<u64>,
    /// The host is gone or the guest has ended: nothing is posted any more.
    closed: bool,
}

/// What the I/O thread has to do next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) post: Option<Post>,
    /// Report that this has lasted so long.
    pub(crate) stall: Option<(Stuck, u64)>,
    /// Then sleep so long, or until the latch opens.
    pub(crate) sleep: Option<u64>,
    /// For `nested_after` the host has taken no delivery, though there is one.
    pub(crate) away: bool,
}

/// A token to post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Post {
    First(u64),
    Again(u64),
}

/// What the host is stuck with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    Token,
    Delivery,
}

/// How a delivery was let in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// Nanoseconds that its token was under way.
    pub(crate) latency: Option<u64>,
    /// The I/O thread watches this delivery: it will notice a nested loop in time.
    pub(crate) watched: bool,
    /// Nor does it sleep before the armed latch: without a nested wake it would not notice.
    pub(crate) unnoticed: bool,
}

/// What the host thread has to do after a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing: a token is outstanding, or the latch is armed already.
    Nothing,
    /// Arm the latch.
    Arm,
    /// Post this token.
    Post(u64),
    /// The same, and kick the I/O thread, so that it watches over it.
    PostAndKick(u64),
}

pub(crate) struct HandOff {
    state: Mutex<State>,
    pauses: Pauses,
}

impl HandOff {
    /// A hand-off whose tokens carry `serial`, so that those of another guest are foreign here.
    /// The latch is taken for armed: who starts the I/O thread arms it.
    pub(crate) fn new(serial: u64, pauses: Pauses) -> HandOff {
        let state = State {
            last: (serial & 0xff_ffff) << 40,
            in_progress: Vec::with_capacity(8),
            armed: Some(0),
            ..State::default()
        };
        HandOff { state: Mutex::new(state), pauses }
    }

    /// I/O thread: the latch has opened. The token to post, unless the host needs none.
    pub(crate) fn opened(&self, now: u64) -> Option<u64> {
        let mut s = lock(&self.state);
        let armed_at = s.armed.take();
        // A delivery that began after the latch was armed looks for itself before it ends.
        let host_will_look = armed_at.is_some_and(|depth| s.in_progress.len() > depth) || s.is_waiting();
        if s.token != 0 || s.closed || host_will_look {
            return None;
        }
        Some(s.new_token(now, self.pauses.repost_after))
    }

    /// I/O thread: what else there is to do, and how long it may sleep.
    pub(crate) fn watch(&self, now: u64) -> Watch {
        let mut s = lock(&self.state);
        let Pauses { nested_after, repost_after, stall_after } = self.pauses;
        let mut watch = Watch::default();
        let mut next = u64::MAX;
        if s.closed {
            s.looks_at = None;
            return watch;
        }
        if s.token == 0 {
            if let Some(delivery) =
                s.in_progress.last_mut().filter(|delivery| !delivery.announced && !delivery.waiting)
            {
                let at = delivery.counts_from.saturating_add(nested_after);
                if now >= at {
                    delivery.announced = true;
                    watch.post = Some(Post::First(s.new_token(now, repost_after)));
                } else {
                    next = at;
                }
            }
        } else if now >= s.repost_at {
            let most = if s.failing { repost_after.max(RETRY) } else { REPOST_MAX };
            s.pause = s.pause.saturating_mul(2).min(most);
            s.repost_at = now.saturating_add(s.pause);
            watch.post = Some(Post::Again(s.token));
        }
        if s.token != 0 {
            // A delivery may begin at any moment without waking this thread, and its age counts
            // from then: look again soon, and more rarely the longer the host takes.
            let age = now.saturating_sub(s.posted_at);
            next = s.repost_at.min(now.saturating_add(nested_after.max(age / 4)));
            watch.away = s.is_away(now, nested_after);
        }
        if stall_after != 0 {
            let at = s.stall(now, stall_after, &mut watch);
            next = next.min(at);
        }
        s.looks_at = (next != u64::MAX).then_some(next);
        watch.sleep = s.looks_at.map(|next| next.saturating_sub(now));
        watch
    }

    /// Either thread: the post of `token` failed; it is tried again after a short, growing pause.
    pub(crate) fn post_failed(&self, token: u64, now: u64) {
        let mut s = lock(&self.state);
        if s.token == token {
            if !std::mem::replace(&mut s.failing, true) {
                s.pause = RETRY;
            }
            s.repost_at = now.saturating_add(s.pause);
        }
    }

    /// Either thread: the host is gone or the guest has ended; nothing is posted from now on.
    pub(crate) fn close(&self) {
        let mut s = lock(&self.state);
        s.closed = true;
        s.token = 0;
    }

    /// Host thread: lets a delivery in. `None`: its token is not the outstanding one.
    pub(crate) fn begin(&self, token: u64, now: u64) -> Option<Begun> {
        let mut s = lock(&self.state);
        let mut latency = None;
        if token != 0 {
            if token != s.token {
                return None;
            }
            s.token = 0;
            latency = Some(now.saturating_sub(s.posted_at));
        }
        s.in_progress.push(InProgress { counts_from: now, announced: false, stalled: false, waiting: false });
        let watched = s.is_watched(now, self.pauses.nested_after);
        // With the latch armed the I/O thread notices by itself that something happens, and so it does
        // when it has only just posted the token: it looks right after that.
        let late = latency.is_none_or(|under_way| under_way > self.pauses.nested_after);
        let unnoticed = !watched && s.armed.is_none() && late;
        Some(Begun { latency, watched, unnoticed })
    }

    /// Host thread: the innermost delivery may be about to run a nested loop, and wants a token for it
    /// `nested_after` from now. Says whether the I/O thread has to be kicked to notice.
    pub(crate) fn nested_wake(&self, now: u64) -> bool {
        let mut s = lock(&self.state);
        if let Some(delivery) = s.in_progress.last_mut() {
            (delivery.counts_from, delivery.announced) = (now, false);
        }
        !s.is_watched(now, self.pauses.nested_after)
    }

    /// Host thread: it is about to sleep inside the innermost delivery, and finds what is due itself.
    pub(crate) fn wait(&self) {
        let mut s = lock(&self.state);
        s.token = 0;
        if let Some(delivery) = s.in_progress.last_mut() {
            delivery.waiting = true;
        }
    }

    /// Host thread: it is awake again; the innermost delivery counts from now, as if it had just begun.
    pub(crate) fn resume(&self, now: u64) -> Begun {
        let mut s = lock(&self.state);
        if let Some(delivery) = s.in_progress.last_mut() {
            *delivery = InProgress { counts_from: now, announced: false, stalled: false, waiting: false };
        }
        let watched = s.is_watched(now, self.pauses.nested_after);
        Begun { latency: None, watched, unnoticed: !watched && s.armed.is_none() }
    }

    /// Host thread: the innermost delivery is over. `more`: something is still due.
    pub(crate) fn end(&self, more: bool, now: u64) -> End {
        let mut s = lock(&self.state);
        s.in_progress.pop();
        let depth = s.in_progress.len();
        s.waits_since = now;
        if s.token != 0 || s.closed {
            return End::Nothing;
        }
        if more {
            let token = s.new_token(now, self.pauses.repost_after);
            return match s.is_watched(now, self.pauses.nested_after) {
                true => End::Post(token),
                false => End::PostAndKick(token),
            };
        }
        match s.armed.replace(depth) {
            Some(_) => End::Nothing,
            None => End::Arm,
        }
    }

    /// Any thread: whether a token is outstanding.
    pub(crate) fn is_posted(&self) -> bool {
        lock(&self.state).token != 0
    }
}

impl State {
    /// Whether the I/O thread looks soon enough for a delivery that begins `now`. After a long
    /// wait for a blocked host it looks rarely.
    fn is_watched(&self, now: u64, nested_after: u64) -> bool {
        self.looks_at.is_some_and(|at| at <= now.saturating_add(nested_after))
    }

    /// Whether a token is outstanding that the host could have taken for so long.
    fn is_away(&self, now: u64, nested_after: u64) -> bool {
        let since = self.in_progress.last().map_or(self.waits_since, |delivery| delivery.counts_from);
        !self.is_waiting() && now.saturating_sub(since) >= nested_after
    }

    fn is_waiting(&self) -> bool {
        self.in_progress.last().is_some_and(|delivery| delivery.waiting)
    }

    fn new_token(&mut self, now: u64, repost_after: u64) -> u64 {
        const COUNTER: u64 = (1 << 40) - 1;
        let counter = (self.last + 1) & COUNTER;
        self.last = (self.last & !COUNTER) | counter.max(1);
        self.token = self.last;
        self.posted_at = now;
        self.waits_since = now;
        self.pause = repost_after.max(RETRY);
        self.repost_at = now.saturating_add(self.pause);
        self.failing = false;
        self.stalled = false;
        self.token
    }

    /// Notes a stall that is due in `watch`; returns when to look again.
    fn stall(&mut self, now: u64, stall_after: u64, watch: &mut Watch) -> u64 {
        let waiting = self.is_waiting();
        let (stuck, since, reported) = match (self.token, self.in_progress.last_mut()) {
            (0, None) => return u64::MAX,
            // The token for a nested loop counts from its own posting, but says what is the case:
            // the delivery lasts.
            (_, Some(delivery)) => (Stuck::Delivery, delivery.counts_from, &mut delivery.stalled),
            (_, None) => (Stuck::Token, self.waits_since, &mut self.stalled),
        };
        if *reported || waiting {
            return u64::MAX;
        }
        let lasted = now.saturating_sub(since);
        if lasted < stall_after {
            return since.saturating_add(stall_after);
        }
        *reported = true;
        watch.stall = Some((stuck, lasted));
        u64::MAX
    }
}

#[cfg(all(test, not(loom)))]
#[path = "handoff/tests.rs"] // also where tests/loom includes this file by its path
mod tests;
