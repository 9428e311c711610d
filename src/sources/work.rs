//! L3. Blocking work on the guest's pool, its end told on the host thread.
//!
//! Owns: one piece of work. The body runs on a pool thread, everything else on the host thread.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::context::Context;
use crate::core::live::{Alive, SOURCES};
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Connections, Event, Kind, Lent, Next, Source};
use crate::error::Result;
use crate::id::Id;
use crate::sync::{lock, Mutex};

type Body = Box<dyn FnOnce() + Send>;

/// Between the host thread and the pool.
enum Stage {
    Waiting(Body),
    Running,
    Over,
}

/// What the host thread is told when the body is over.
pub(crate) trait Finish: 'static {
    fn call(&self, context: &Context, id: Id);

    fn event(&self, id: Id) -> Event;

    fn lent(&self) -> &dyn Lent;
}

/// The end of plain work.
impl<C: Callback<()>> Finish for C {
    fn call(&self, context: &Context, id: Id) {
        Callback::call(self, context, id, ());
    }

    fn event(&self, id: Id) -> Event {
        Event::plain(Some(id), Kind::Work, self.user_data())
    }

    fn lent(&self) -> &dyn Lent {
        self
    }
}

struct WorkSource<F> {
    stage: Arc<Mutex<Stage>>,
    /// A body that never started: it is dropped on the host thread, with the rest of the source.
    cancelled: Cell<Option<Body>>,
    finish: F,
    _alive: Alive<SOURCES>,
}

impl Registry {
    pub(crate) fn work_add(&self, body: Body, finish: impl Finish) -> Result<Id> {
        let stage = Arc::new(Mutex::new(Stage::Waiting(body)));
        let source =
            WorkSource { stage: stage.clone(), cancelled: Cell::new(None), finish, _alive: Alive::default() };
        self.insert(Rc::new(source), |id| self.start_work(stage, id))
    }

    fn start_work(&self, stage: Arc<Mutex<Stage>>, id: Id) -> Result<()> {
        let (shared, told) = (self.shared.clone(), stage.clone());
        let body = move || {
            // Looked at and put back under one lock: whoever closes it meanwhile finds the truth.
            let mut now = lock(&stage);
            match std::mem::replace(&mut *now, Stage::Running) {
                Stage::Waiting(body) => {
                    drop(now);
                    body();
                }
                cancelled => *now = cancelled,
            }
        };
        // Also when the body panicked: somebody waits.
        let tell = move || {
            let mut now = lock(&told);
            if matches!(*now, Stage::Running) {
                *now = Stage::Over;
                drop(now);
                shared.source_finished(id);
            }
        };
        self.run_on_pool(body, tell)
    }
}

impl<F: Finish> Source for WorkSource<F> {
    fn prepare(&self, _to: &Connections, _id: Id, _hint: u64) -> bool {
        true
    }

    fn call(&self, context: &Context, id: Id) {
        self.finish.call(context, id);
    }

    fn event(&self, id: Id) -> Event {
        self.finish.event(id)
    }

    fn settle(&self, _to: &Connections, _id: Id) -> Next {
        Next::Close
    }

    fn detach(&self, _to: &Connections, _id: Id) {
        let mut stage = lock(&self.stage);
        match std::mem::replace(&mut *stage, Stage::Over) {
            Stage::Waiting(body) => self.cancelled.set(Some(body)),
            begun => *stage = begun,
        }
    }

    fn is_in_flight(&self) -> bool {
        matches!(*lock(&self.stage), Stage::Running)
    }

    fn lent(&self) -> &dyn Lent {
        self.finish.lent()
    }

    fn drop_runs_user_code(&self) -> bool {
        true
    }
}
