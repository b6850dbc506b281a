//! `watch`: receives, and shows a live table.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::log;
use super::screen::{Log, Screen};
use super::table::table;
use super::{Failed, Receive, run};
use crate::clock::{Clock, SystemClock};

/// How often the terminal is redrawn: fast enough to feel live, slow enough to be read.
const REDRAW: Duration = Duration::from_millis(250);

/// How often the table is printed where there is no terminal, if it has changed.
const REPRINT: Duration = Duration::from_secs(2);

pub(super) fn watch(receive: Receive) -> Result<ExitCode, Failed> {
    let log = Log::default();
    let (config, socket) = receive.config()?;
    let title = format!("district {}  {}", config.district, config.broker);
    run::runtime()?.block_on(async {
        let mut signals = run::Signals::new()?;
        let for_log = log.clone();
        // The foot of the table is narrow, and shows the last lines only.
        log::to_foot(move || for_log.clone());
        let mut handle = run::start(config).await?;
        let _desk = run::desk(socket, &handle);
        let screen = Screen::take()?;
        let mut ticks = interval(if screen.is_some() { REDRAW } else { REPRINT });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut printed = Vec::new();
        let failed = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let size = screen.as_ref().map(|_| Screen::size());
                    let colours = screen.as_ref().is_some_and(Screen::colours);
                    let now = SystemClock.now();
                    let snapshot = handle.snapshot();
                    let lines = table(&title, &snapshot, &log.last(3), now, size, colours);
                    match &screen {
                        Some(screen) => screen.draw(&lines)?,
                        None if lines != printed => {
                            let mut out = io::stdout().lock();
                            writeln!(out, "{}\n", lines.join("\n"))?;
                            printed = lines;
                        }
                        None => {}
                    }
                }
                ended = handle.ended() => break Some(Failed::new(70, ended)),
                () = signals.next() => break None,
            }
        };
        // Given back before the last words, so that they stay to be read.
        drop(screen);
        run::stop(handle, &mut signals, failed).await
    })
}
