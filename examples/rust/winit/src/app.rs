//! The application: a window that is animated, the guests, and, with `--script`, one scenario after the other.
//! Main thread only.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asyncguest::{Drive, Guest, Options};
use softbuffer::{Context, Surface};
use winit::application::ApplicationHandler;
use winit::dpi::LogicalSize;
use winit::event::{StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoopProxy};
use winit::window::{Window, WindowId};

use crate::host::{Wake, WinitHost};
use crate::scenarios::{LossyHost, Scenario};
use crate::stage::Stage;

type Canvas = Surface<Rc<Window>, Rc<Window>>;

const FRAME: Duration = Duration::from_millis(16);

pub struct App {
    pub stage: Rc<Stage>,
    pub guests: Vec<Guest>,
    pub failed: u32,
    pub passed: u32,
    /// What `user_event` noted for `about_to_wait`: number and token.
    turns: Vec<(usize, u64)>,
    drive: Drive,
    proxy: EventLoopProxy<Wake>,
    scenarios: std::vec::IntoIter<Scenario>,
    name: &'static str,
    ended: usize,
    window: Option<(Rc<Window>, Canvas)>,
    next_frame: Instant,
}

impl App {
    /// The first scenario's guest starts here, before winit's loop does.
    pub fn new(drive: Drive, proxy: EventLoopProxy<Wake>, stage: Rc<Stage>, scenarios: Vec<Scenario>) -> App {
        let mut app = App {
            stage,
            guests: Vec::new(),
            turns: Vec::new(),
            failed: 0,
            passed: 0,
            drive,
            proxy,
            scenarios: scenarios.into_iter(),
            name: "",
            ended: 0,
            window: None,
            next_frame: Instant::now(),
        };
        app.next_scenario();
        app
    }

    /// How long the loop may sleep, for drive FD.
    pub fn wait(&self) -> Option<Duration> {
        (!self.stage.still.get()).then(|| self.next_frame.saturating_duration_since(Instant::now()))
    }

    fn next_scenario(&mut self) -> bool {
        let Some(scenario) = self.scenarios.next() else { return false };
        self.guests.clear();
        self.turns.clear();
        self.ended = 0;
        self.name = scenario.name;
        self.stage.clear();
        for number in 0..scenario.guests {
            let host = WinitHost { proxy: self.proxy.clone(), number };
            let host = LossyHost { host, losing: scenario.losing };
            let options = Options { drive: self.drive, ..Options::default() };
            match Guest::start(Arc::new(host), options) {
                Ok(guest) => self.guests.push(guest),
                Err(error) => self.stage.judge(false, format!("the guest did not start: {error}")),
            }
        }
        for guest in &self.guests {
            if let Err(error) = (scenario.begin)(&self.stage, &guest.handle()) {
                self.stage.judge(false, error.to_string());
            }
        }
        true
    }

    /// Tells what came of a scenario, and cancels its guests; the next begins when they have ended.
    fn look(&mut self, events: &ActiveEventLoop) {
        if let Some(verdict) = self.stage.verdict.take() {
            self.tell(verdict);
            self.guests.iter().for_each(|guest| guest.poster().cancel());
        }
        if self.stage.quit_first.get() {
            events.exit();
        }
    }

    pub fn tell(&mut self, verdict: Result<String, String>) {
        let (word, text) = match &verdict {
            Ok(text) => ("ok   ", text),
            Err(text) => ("FAIL ", text),
        };
        println!("{word} {}: {text}", self.name);
        self.passed += u32::from(verdict.is_ok());
        self.failed += u32::from(verdict.is_err());
    }

    fn draw(&mut self) -> Result<(), softbuffer::SoftBufferError> {
        let Some((window, surface)) = &mut self.window else { return Ok(()) };
        let size = window.inner_size();
        let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
            return Ok(());
        };
        let stage = &self.stage;
        stage.frame(Instant::now());
        // One bar each: frames go round, ticks and datagrams grow.
        let bars = [
            (stage.frames.get() * 4, 0xe0_7a5f),
            (stage.ticks.get() * 4, 0x3d_7ea6),
            (stage.datagrams.get() * 4, 0x81_b29a),
        ];
        surface.resize(width, height)?;
        let mut pixels = surface.buffer_mut()?;
        let (wide, high) = (size.width as usize, size.height as usize);
        for (y, row) in pixels.chunks_exact_mut(wide).enumerate() {
            let (bar, within) = (y * 4 / high, y * 4 % high);
            row.fill(0xf4_f1de);
            if let Some((length, colour)) = bars.get(bar).filter(|_| within > high / 4) {
                row[..(*length as usize) % (wide + 1)].fill(*colour);
            }
        }
        pixels.present()
    }
}

impl ApplicationHandler<Wake> for App {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        let attributes = Window::default_attributes()
            .with_title(format!("a guest in winit, drive {:?}", self.drive))
            .with_inner_size(LogicalSize::new(480, 160));
        let window = match events.create_window(attributes) {
            Ok(window) => Rc::new(window),
            Err(error) => {
                eprintln!("no window: {error}");
                self.failed += 1;
                return events.exit();
            }
        };
        let surface = Context::new(window.clone()).and_then(|context| Surface::new(&context, window.clone()));
        match surface {
            Ok(surface) => self.window = Some((window, surface)),
            Err(error) => {
                eprintln!("the window cannot be drawn on: {error}");
                self.failed += 1;
                events.exit();
            }
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, wake: Wake) {
        match wake {
            Wake::Turn { number, token } => self.turns.push((number, token)),
            Wake::Ended => {
                self.ended += 1;
                if self.ended == self.guests.len() && !self.next_scenario() {
                    events.exit();
                }
            }
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => self.guests.iter().for_each(|guest| guest.poster().cancel()),
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.draw() {
                    eprintln!("drawing: {error}");
                    self.failed += 1;
                    events.exit();
                }
                let next = self.stage.in_handler.borrow_mut().pop_front();
                if let (Some(run), Some(guest)) = (next, self.guests.first()) {
                    run(&guest.handle());
                }
            }
            _ => {}
        }
    }

    fn new_events(&mut self, _: &ActiveEventLoop, _: StartCause) {
        let now = Instant::now();
        if now < self.next_frame || self.stage.still.get() {
            return;
        }
        self.next_frame = now + FRAME;
        if let Some((window, _)) = &self.window {
            window.request_redraw();
        }
    }

    /// The guests' turn: all callbacks run in here.
    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        for (number, token) in std::mem::take(&mut self.turns) {
            if let Some(guest) = self.guests.get(number) {
                let _ = guest.deliver(token); // an old token is harmless
            }
        }
        self.look(events);
        events.set_control_flow(match self.stage.still.get() {
            true => ControlFlow::Wait,
            false => ControlFlow::WaitUntil(self.next_frame),
        });
    }
}
