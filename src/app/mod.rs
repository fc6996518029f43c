//! The wiring: the only place that makes threads and channels, listens for signals, joins the
//! threads and sums up.
//!
//! Main thread. `stream` reads as the table of contents of a recording.

// Without the page, only the tickers file changes the list.
mod shutdown;
#[cfg_attr(not(feature = "dashboard"), allow(dead_code))]
pub(crate) mod watch_list;

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use log::{LevelFilter, info, warn};

use crate::channel::{self, Entry, EntrySender, SharedState};
use crate::config::{Settings, Source};
#[cfg(feature = "dashboard")]
use crate::dashboard::{Dashboard, live_page::LivePage};
use crate::error::{Error, cannot_go_on};
use crate::feed::{ApiKey, BackoffConfig, Endpoint, Session, Timeouts, WatchList};
use crate::logging::LogLines;
use crate::on_event::thread::Events;
use crate::recorder::{Destination, Summary, Writer, WriterError};
use crate::simulator::Simulator;
use crate::status::silence_reporter;
use crate::status::snapshot::SnapshotSlot;
use crate::terminal::Screen;
use crate::text::counted;
use crate::threads::spawn;
use watch_list::Desk;

/// Records until a signal asks for the end.
///
/// # Errors
/// When the recording cannot begin, or cannot go on, or its end could not be written.
pub fn stream(settings: Settings) -> Result<(), Error> {
    let (entries, inbox) = channel::open();
    let shared = Arc::clone(entries.shared());
    let slot = shared.slot.clone();
    let rows_on_standard_output = matches!(settings.recorder.out, Destination::StandardOutput);
    let screen = Screen::start(settings.quiet, rows_on_standard_output, &shared)?;
    start_log(&settings, &entries, &screen);

    let result = record(settings, &shared, &slot, &entries, inbox, &screen);
    screen.end();
    result
}

fn record(
    settings: Settings,
    shared: &Arc<SharedState>,
    slot: &SnapshotSlot,
    entries: &EntrySender,
    inbox: Receiver<Entry>,
    screen: &Screen,
) -> Result<(), Error> {
    shutdown::outlive_file_size_limits().map_err(cannot_go_on)?;
    #[cfg(feature = "dashboard")]
    let dashboard = bind_dashboard(&settings)?;
    let (command_sender, commands) = mpsc::channel();
    let key = key_of(&settings.source);
    let writer = Writer::open(
        settings.recorder.clone(),
        Arc::clone(shared),
        move |text| key.redact(text),
        shutdown::stop_session(command_sender.clone(), Arc::clone(shared)),
    )
    .map_err(cannot_go_on)?;
    let simulated = matches!(settings.source, Source::Demo).then(Simulator::demo).transpose()?;
    let desk = Arc::new(Desk::new(&settings, command_sender.clone()));
    greet(&settings, desk.wanted().len());
    let writer = writer.spawn(inbox, entries)?;
    let events =
        Events::start_if_wanted(settings.on_event.clone(), &settings.recorder.out, shared)?;
    let (screen_sender, ending) = (screen.sender(), events.clone());
    shutdown::listen(command_sender, entries.clone(), writer.clone(), screen_sender, ending)
        .map_err(cannot_go_on)?;

    let quiet_slot = slot.clone();
    spawn("quiet", move || silence_reporter::run(&quiet_slot))?;
    #[cfg(feature = "dashboard")]
    let live_page = dashboard
        .map(|dashboard| {
            LivePage::start(dashboard, slot.clone(), Arc::clone(shared), Arc::<Desk>::clone(&desk))
        })
        .transpose()?;
    if let Some((path, _)) = settings.tickers_file {
        let desk = Arc::clone(&desk);
        spawn("tickers-file", move || desk.watch_file(&path))?;
    }
    let (endpoint, key) = match (&simulated, settings.source) {
        (Some(market), _) => {
            let url = format!("ws://{}", market.address());
            (Endpoint::parse(&url).map_err(cannot_go_on)?, ApiKey::demo())
        }
        (None, Source::Server(endpoint, key)) => (endpoint, key),
        (None, Source::Demo) => unreachable!("the demo has a market"),
    };
    let watch_list = WatchList::new(desk.wanted());
    let (timeouts, backoff_config) = (Timeouts::default(), BackoffConfig::default());
    let outbox_of_session = entries.clone();
    let session = Session::new(
        endpoint,
        key,
        timeouts,
        backoff_config,
        watch_list,
        outbox_of_session,
        commands,
    );
    let ended = session.run();

    let until = Instant::now() + shutdown::LAST_COMMAND;
    entries.send(if ended.is_ok() { Entry::Finish } else { Entry::Refused });
    let summary = writer.join();
    drop(simulated);
    #[cfg(feature = "dashboard")]
    drop(live_page);
    screen.sum_up(summary.as_ref().ok());
    let result = ended.map_err(cannot_go_on).and_then(|()| whole(summary));
    let reason =
        result.as_ref().map_or_else(ToString::to_string, |()| shutdown::AS_ASKED.to_owned());
    events.stopped(reason, until);
    result
}

/// Whether everything was written.
fn whole(summary: Result<Summary, WriterError>) -> Result<(), Error> {
    match summary.map_err(cannot_go_on)?.failure {
        None => Ok(()),
        Some(failure) => Err(Error::CannotGoOn(failure)),
    }
}

/// Takes the address now, so that a port in use is known before anything is recorded.
#[cfg(feature = "dashboard")]
fn bind_dashboard(settings: &Settings) -> Result<Option<Dashboard>, Error> {
    let dashboard = settings.dashboard.map(Dashboard::bind).transpose().map_err(cannot_go_on)?;
    Ok(dashboard.map(|dashboard| dashboard.readable_by(settings.dashboard_origins.clone())))
}

fn key_of(source: &Source) -> ApiKey {
    match source {
        Source::Server(_, key) => key.clone(),
        Source::Demo => ApiKey::demo(),
    }
}

fn start_log(settings: &Settings, entries: &EntrySender, screen: &Screen) {
    let level = if settings.verbose { LevelFilter::Debug } else { LevelFilter::Info };
    let terminal_level = if settings.quiet { LevelFilter::Warn } else { LevelFilter::Trace };
    let key = key_of(&settings.source);
    LogLines::new(level, terminal_level, key, entries.clone(), screen.sender()).install();
}

/// Says what will be recorded where, and what is odd about it.
fn greet(settings: &Settings, count: usize) {
    let (market, next) = match (&settings.source, settings.dashboard) {
        (Source::Server(..), _) => ("", ""),
        (Source::Demo, None) => {
            (" of a simulated market", "; next: add --dashboard to watch it in the browser")
        }
        (Source::Demo, Some(_)) => {
            (" of a simulated market", "; next: open the dashboard in the browser")
        }
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
    watch_list::warn_of_many(count);
}
