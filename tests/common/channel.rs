//! What the tests read and write: two ends, of what the system can watch.

use super::*;
use std::io::{Read, Write};

#[cfg(unix)]
use super::unix::number;
#[cfg(windows)]
use super::windows::number;

/// How it is made, written to and emptied is the system's.
pub struct Channel {
    pub(super) input: RefCell<Option<End>>,
    pub(super) output: RefCell<Option<End>>,
}

impl Channel {
    pub(super) fn of(input: End, output: End) -> Rc<Channel> {
        Rc::new(Channel { input: RefCell::new(Some(input)), output: RefCell::new(Some(output)) })
    }

    /// The end to read from.
    pub fn input(&self) -> OsFd {
        number(self.input.borrow().as_ref().unwrap())
    }

    pub fn output(&self) -> OsFd {
        number(self.output.borrow().as_ref().unwrap())
    }

    pub(super) fn write_all(&self, bytes: usize) {
        self.output.borrow().as_ref().unwrap().write_all(&vec![b'x'; bytes]).unwrap();
    }

    #[track_caller]
    pub fn read_one(&self) {
        let read = self.input.borrow().as_ref().unwrap().read(&mut [0]);
        assert_eq!(read.unwrap(), 1);
    }

    pub fn close_input(&self) {
        self.input.borrow_mut().take();
    }

    pub fn close_output(&self) {
        self.output.borrow_mut().take();
    }

    /// A copy of the output for another thread.
    pub fn second_output(&self) -> End {
        self.output.borrow().as_ref().unwrap().try_clone().unwrap()
    }

    /// A callback that reads one byte.
    pub fn reader(self: &Rc<Channel>) -> impl FnMut(&Handle) + 'static {
        let channel = self.clone();
        move |_| channel.read_one()
    }
}
