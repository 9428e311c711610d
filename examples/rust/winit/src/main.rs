//! A winit window with a guest in its loop: timers, sockets and posts on the window's thread, no lock anywhere.
//!
//!     cargo run                          the window, until it is closed
//!     cargo run -- --drive fd            the same with drive FD: no I/O thread, winit is pumped
//!     cargo run -- --script [PROGRAM...] scenarios, one line each, then a row for the table of hosts. PROGRAM
//!                                        takes a picture of the window in mid-run
mod app;
mod host;
mod scenarios;
mod stage;

use std::process::ExitCode;
use std::rc::Rc;

use asyncguest::Drive;
use winit::event_loop::EventLoop;

use app::App;
use host::Wake;
use stage::Stage;

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("asyncguest-winit: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How many scenarios failed.
fn run() -> Result<u32, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut drive = Drive::Thread;
    let mut shot = None;
    while let Some(word) = arguments.next() {
        match (word.as_str(), arguments.peek().map(String::as_str)) {
            ("--drive", Some("fd")) => drive = Drive::Fd,
            ("--drive", Some("thread")) => drive = Drive::Thread,
            ("--script", _) => {
                shot = Some(arguments.by_ref().collect::<Vec<_>>());
                break;
            }
            _ => return Err(format!("{word}: use [--drive thread|fd] [--script [PROGRAM...]]").into()),
        }
        arguments.next();
    }
    let scripted = shot.is_some();
    let events = EventLoop::<Wake>::with_user_event().build()?;
    let scenarios = if scripted { scenarios::all() } else { scenarios::demo() };
    let skipped = scenarios.iter().filter(|scenario| scenario.losing && drive == Drive::Fd).count();
    let scenarios =
        scenarios.into_iter().filter(|scenario| !scenario.losing || drive == Drive::Thread).collect();
    let stage = Rc::new(Stage::default());
    *stage.shot.borrow_mut() = shot.filter(|words| !words.is_empty());
    let mut app = App::new(drive, events.create_proxy(), stage, scenarios);
    match drive {
        Drive::Fd => {
            let code = host::run_pumped(events, &mut app, |app| &app.guests, App::wait)?;
            if code != 0 {
                return Err(format!("winit's loop ended with {code}").into());
            }
        }
        _ => events.run_app(&mut app)?,
    }
    // Winit's loop may have ended first: what is left of the guests ends here.
    for guest in &app.guests {
        guest.shutdown(1_000_000_000)?;
    }
    let verdict = app.stage.verdict.take();
    if let Some(verdict) = verdict {
        app.tell(verdict);
    }
    if scripted {
        let (name, reason) = match drive {
            Drive::Fd => ("fd", "a lost wake: drive FD has no posts"),
            _ => ("thread", ""),
        };
        println!("winit|0.30|{name}|{}|{}|{skipped}|{reason}", app.passed, app.failed);
        if app.passed == 0 {
            return Err("no scenario has passed".into());
        }
    }
    Ok(app.failed)
}
