//! A recording as a table of contents: what is opened, which threads start, and how they end.
//!
//! Main thread.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use log::{LevelFilter, info, warn};

use super::shutdown::{self, Deadline};
use super::watch_list::{WatchListController, warn_of_many};
use crate::channel::{self, Entry, EntrySender, SharedState};
use crate::config::Settings;
#[cfg(feature = "dashboard")]
use crate::dashboard::{Dashboard, live_page::LivePage};
use crate::error::{Error, cannot_go_on};
use crate::feed::{BackoffConfig, Endpoint, Session, Timeouts, WatchList};
use crate::logging;
use crate::on_event::thread::Events;
use crate::recorder::{Destination, Summary, Writer};
use crate::simulator::Simulator;
use crate::status::silence_reporter;
use crate::terminal::Screen;
use crate::text::counted;
use crate::threads::spawn;

/// Records until a signal asks for the end.
///
/// # Errors
/// When the recording cannot begin, or cannot go on, or its end could not be written.
pub fn record(settings: &Settings) -> Result<(), Error> {
    let (entries, inbox) = channel::open();
    let shared = Arc::clone(entries.shared());
    let rows_on_standard_output = matches!(settings.recorder.out, Destination::StandardOutput);
    let screen = Screen::start(settings.quiet, rows_on_standard_output, &shared)?;
    start_log(settings, &entries, &screen);
    let result = run(settings, &shared, &entries, inbox, &screen);
    screen.end();
    result
}

fn run(
    settings: &Settings,
    shared: &Arc<SharedState>,
    entries: &EntrySender,
    inbox: Receiver<Entry>,
    screen: &Screen,
) -> Result<(), Error> {
    // What may refuse the start.
    shutdown::outlive_file_size_limits().map_err(cannot_go_on)?;
    #[cfg(feature = "dashboard")]
    let dashboard = bind_dashboard(settings)?;
    let (command_sender, commands) = mpsc::channel();
    let key = settings.key.clone();
    let writer = Writer::open(
        settings.recorder.clone(),
        Arc::clone(shared),
        move |text| key.redact(text),
        shutdown::stop_session(command_sender.clone(), Arc::clone(shared)),
    )
    .map_err(cannot_go_on)?;
    let (endpoint, simulator) = server(settings)?;
    let controller = Arc::new(WatchListController::new(settings, command_sender.clone()));
    greet(settings, controller.wanted().len());

    // The threads beside the main one.
    let writer = writer.spawn(inbox, entries)?;
    let events =
        Events::start_if_wanted(settings.on_event.clone(), &settings.recorder.out, shared)?;
    let deadline = Deadline {
        entries: entries.clone(),
        writer: writer.clone(),
        screen: screen.sender(),
        events: events.clone(),
    };
    shutdown::listen(command_sender, deadline)?;
    let slot = shared.slot.clone();
    spawn("quiet", move || silence_reporter::run(&slot))?;
    #[cfg(feature = "dashboard")]
    let live_page = dashboard
        .map(|dashboard| {
            let (slot, tickers) = (shared.slot.clone(), Arc::clone(&controller));
            LivePage::start(dashboard, slot, Arc::clone(shared), tickers)
        })
        .transpose()?;
    controller.follow_file()?;

    let session = Session::new(
        endpoint,
        settings.key.clone(),
        Timeouts::default(),
        BackoffConfig::default(),
        WatchList::new(controller.wanted()),
        entries.clone(),
        commands,
    );
    let ended = session.run();

    // The end.
    let until = Instant::now() + shutdown::LAST_COMMAND;
    entries.send(if ended.is_ok() { Entry::Finish } else { Entry::Refused });
    let summary = writer.join(None);
    drop(simulator);
    #[cfg(feature = "dashboard")]
    drop(live_page);
    screen.sum_up(summary.as_ref().ok());
    let result = ended.map_err(cannot_go_on).and_then(|()| whole(summary.map_err(cannot_go_on)?));
    let reason =
        result.as_ref().map_or_else(ToString::to_string, |()| shutdown::AS_ASKED.to_owned());
    events.stopped(reason, until);
    result
}

/// Whether everything was written.
fn whole(summary: Summary) -> Result<(), Error> {
    summary.failure.map_or(Ok(()), |failure| Err(Error::CannotGoOn(failure)))
}

/// Takes the address now, so that a port in use is known before anything is recorded.
#[cfg(feature = "dashboard")]
fn bind_dashboard(settings: &Settings) -> Result<Option<Dashboard>, Error> {
    let dashboard = settings.dashboard.map(Dashboard::bind).transpose().map_err(cannot_go_on)?;
    Ok(dashboard.map(|dashboard| dashboard.readable_by(settings.dashboard_origins.clone())))
}

/// Where to connect; for a demo the simulator is started.
fn server(settings: &Settings) -> Result<(Endpoint, Option<Simulator>), Error> {
    if let Some(endpoint) = &settings.server {
        return Ok((endpoint.clone(), None));
    }
    let simulator = Simulator::demo()?;
    let url = format!("ws://{}", simulator.address());
    Ok((Endpoint::parse(&url).map_err(cannot_go_on)?, Some(simulator)))
}

fn start_log(settings: &Settings, entries: &EntrySender, screen: &Screen) {
    let level = if settings.verbose { LevelFilter::Debug } else { LevelFilter::Info };
    let terminal_level = if settings.quiet { LevelFilter::Warn } else { LevelFilter::Trace };
    let (key, entries) = (settings.key.clone(), entries.clone());
    logging::to_log_and_terminal(level, terminal_level, key, entries, screen.sender());
}

/// Says what will be recorded where, and what is odd about it.
fn greet(settings: &Settings, count: usize) {
    let (market, next) = match (&settings.server, settings.dashboard) {
        (Some(_), _) => ("", ""),
        (None, None) => {
            (" of a simulated market", "; next: add --dashboard to watch it in the browser")
        }
        (None, Some(_)) => (" of a simulated market", "; next: open the dashboard in the browser"),
    };
    info!(
        "finnhub-stream {}: recording {}{market} to {}, log in {}{next}",
        env!("CARGO_PKG_VERSION"),
        counted(count as u64, "symbol"),
        settings.recorder.out,
        settings.recorder.log_file.display()
    );
    for warning in &settings.warnings {
        warn!("{warning}");
    }
    warn_of_many(count);
}
