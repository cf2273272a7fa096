use std::io::IsTerminal;
use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::Rebuild;
use cqrs_core::error::RebuildProgress;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::out::{print_line, set_progress_bar};
use super::{CliError, args};

/// Time between two lines, where they are not in a terminal.
const INTERVAL: Duration = Duration::from_secs(1);

/// Builds the program's version of a projection, and shows how far it is: with a bar in a
/// terminal, and otherwise with a line per second.
pub async fn run(dispatcher: &Dispatcher, rebuild: &args::RebuildArgs) -> Result<(), CliError> {
    let name = &rebuild.projection;
    let subscriptions = dispatcher.subscriptions();
    let mut progress = subscriptions.rebuild(name).await?;
    let shown = if std::io::stderr().is_terminal() {
        Shown::Bar(bar())
    } else {
        Shown::Lines(None)
    };
    let outcome = show(&mut progress, shown).await;
    set_progress_bar(None);
    outcome?;
    let versions = subscriptions.versions(name).await?;
    let live = versions.iter().find(|version| version.is_live);
    let version = live.map_or(0, |version| version.version);
    Ok(print_line(format!(
        "version {version} of projection `{name}` is live"
    ))?)
}

/// Shows the progress until the version is live.
async fn show(rebuild: &mut Rebuild<'_>, mut shown: Shown) -> Result<(), CliError> {
    while let Some(progress) = rebuild.next().await {
        shown.update(&progress?)?;
    }
    Ok(())
}

/// Where the progress is shown.
enum Shown {
    Bar(ProgressBar),
    /// With the time of the last line.
    Lines(Option<Instant>),
}

impl Shown {
    fn update(&mut self, progress: &RebuildProgress) -> Result<(), CliError> {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.head.get());
                bar.set_position(progress.position.get());
                bar.set_message(rate(progress));
            }
            Self::Lines(last) if last.is_none_or(|last| last.elapsed() >= INTERVAL) => {
                *last = Some(Instant::now());
                print_line(format!(
                    "position {} of {}, {}",
                    progress.position,
                    progress.head,
                    rate(progress)
                ))?;
            }
            Self::Lines(_) => {}
        }
        Ok(())
    }
}

/// The bar, which the standard error shows.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    set_progress_bar(Some(bar.clone()));
    bar
}

/// The rate, and the remaining time.
fn rate(progress: &RebuildProgress) -> String {
    let rate = format!("{} per second", progress.per_second);
    match progress.remaining {
        Some(remaining) => format!("{rate}, {} s left", remaining.as_secs()),
        None => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_remaining_time_if_it_is_known() {
        let mut progress = RebuildProgress::default();
        assert_eq!(rate(&progress), "0 per second");
        progress.per_second = 7;
        progress.remaining = Some(Duration::from_secs(90));
        assert_eq!(rate(&progress), "7 per second, 90 s left");
    }
}
