//! A recording as a table of contents: what is opened, which threads start, and how they end.
//!
//! Main thread.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use log::{LevelFilter, info, warn};

use super::logger;
use super::shutdown::{self, Deadline};
use super::watch_list::{WatchListController, warn_of_many};
use crate::channel::{self, SharedState, WriterMessage, WriterReceiver, WriterSender};
use crate::config::{NO_LOG_FILE, RecordArguments, Settings};
#[cfg(feature = "dashboard")]
use crate::dashboard::Listener;
use crate::feed::{BackoffConfig, Endpoint, Session, Timeouts, WatchList, commands};
use crate::on_event::OnEvent;
use crate::process::error::{Error, cannot_go_on};
use crate::recorder::{Destination, Writer, log_refusal};
use crate::simulator::Simulator;
use crate::status::silence::reporter;
use crate::terminal::Screen;
use crate::text::counted;

/// Records until a signal asks for the end.
///
/// # Errors
/// When the arguments are wrong; when a file, an address or a thread that it needs cannot be had; when the
/// server refuses the key at the start; when the writer ends early, or could not write the last rows.
pub(crate) fn record(arguments: RecordArguments) -> Result<(), Error> {
    let log_file = arguments.log_file().to_owned();
    let has_writer = Cell::new(false);
    let result = Settings::resolve(arguments).and_then(|settings| start(&settings, &has_writer));
    if let (Err(refused), false) = (&result, has_writer.get()) {
        log_refusal(&log_file, refused);
    }
    result
}

fn start(settings: &Settings, has_writer: &Cell<bool>) -> Result<(), Error> {
    let (entries, inbox) = channel::open();
    let shared = Arc::clone(entries.shared());
    let rows_on_standard_output =
        matches!(settings.recorder.out, Destination::StandardOutput { .. });
    let (quiet, table) = (settings.views.quiet, settings.views.table);
    let screen = Screen::start(quiet, table, rows_on_standard_output, &shared)?;
    start_log(settings, &entries, &screen);
    let result = run(settings, &shared, &entries, inbox, &screen, has_writer);
    screen.end();
    result
}

fn run(
    settings: &Settings,
    shared: &Arc<SharedState>,
    entries: &WriterSender,
    inbox: WriterReceiver,
    screen: &Screen,
    has_writer: &Cell<bool>,
) -> Result<(), Error> {
    // What may refuse the start.
    shutdown::survive_file_size_limits().map_err(cannot_go_on)?;
    #[cfg(feature = "dashboard")]
    let listener = settings
        .views
        .dashboard
        .map(|address| Listener::bind(address, settings.views.dashboard_origin.clone()))
        .transpose()?;
    let (command_sender, commands) = commands().map_err(cannot_go_on)?;
    let key = settings.key.clone();
    let writer = Writer::open(
        &settings.recorder,
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
    has_writer.set(true);
    let on_event = settings
        .views
        .on_event
        .clone()
        .map(|command| OnEvent::start(command, settings.recorder.out.as_argument(), shared))
        .transpose()?;
    let deadline = Deadline {
        entries: entries.clone(),
        writer: writer.clone(),
        screen: screen.sender(),
        give_terminal_back: Box::new(screen.give_back()),
        on_event: on_event.clone(),
    };
    shutdown::listen(command_sender, deadline)?;
    let watched = Arc::clone(shared);
    let _silence_reporter = reporter::start(move || watched.slot.latest())?;
    #[cfg(feature = "dashboard")]
    let dashboard = listener
        .map(|listener| listener.serve(Arc::clone(shared), controller.as_function()))
        .transpose()?;
    #[cfg(feature = "table")]
    if settings.views.table {
        screen.show_table(Arc::clone(shared), controller.as_function());
    }
    let _tickers_file = controller.follow_file()?;

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
    entries.send(if ended.is_ok() { WriterMessage::Finish } else { WriterMessage::Refused });
    let summary = writer.join(None);
    drop(simulator);
    #[cfg(feature = "dashboard")]
    drop(dashboard);
    if let Ok(summary) = &summary {
        screen.sum_up(summary.counts);
    }
    let result =
        ended.and_then(|()| summary?.failure.map_or(Ok(()), |failure| Err(cannot_go_on(failure))));
    let reason =
        result.as_ref().map_or_else(ToString::to_string, |()| shutdown::AS_ASKED.to_owned());
    if let Some(on_event) = on_event {
        on_event.stopped(reason, until);
    }
    result
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

fn start_log(settings: &Settings, entries: &WriterSender, screen: &Screen) {
    let level = if settings.views.verbose { LevelFilter::Debug } else { LevelFilter::Info };
    let terminal_level = if settings.views.quiet { LevelFilter::Warn } else { LevelFilter::Trace };
    let (key, entries) = (settings.key.clone(), entries.clone());
    logger::to_log_and_terminal(level, terminal_level, key, entries, screen.sender());
}

/// Logs what will be recorded to which file, and the warnings.
fn greet(settings: &Settings, count: usize) {
    let (what, next) = match (&settings.server, settings.views.dashboard) {
        (Some(_), _) => ("symbol", ""),
        (None, None) => ("simulated symbol", "; add --dashboard to see it in the browser"),
        (None, Some(_)) => ("simulated symbol", ""),
    };
    let log_file = &settings.recorder.log_file;
    let log = if log_file.as_os_str() == NO_LOG_FILE {
        "here only".to_owned()
    } else {
        format!("in {}", log_file.display())
    };
    info!(
        "finnhub-stream {}: recording {} to {}, log {log}{next}",
        env!("CARGO_PKG_VERSION"),
        counted(count as u64, what),
        settings.recorder.out
    );
    for warning in &settings.warnings {
        warn!("{warning}");
    }
    warn_of_many(count);
}
