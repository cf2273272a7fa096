use std::io::IsTerminal;
use std::time::Duration;

use cqrs_core::Dispatcher;
use cqrs_core::app::Rebuild;
use cqrs_core::error::RebuildProgress;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;

use crate::args::RebuildArgs;
use crate::error::CliError;
use crate::out::{print_json_line, print_line, set_progress_bar};

/// Time between two lines, where they are not in a terminal.
const INTERVAL: Duration = Duration::from_secs(1);

/// Builds the program's version of a projection, and shows how far it is: with a bar in a
/// terminal, and otherwise with a line per second.
pub(crate) async fn run(
    dispatcher: &Dispatcher,
    rebuild: &RebuildArgs,
    as_json: bool,
) -> Result<(), CliError> {
    let name = &rebuild.projection;
    let subscriptions = dispatcher.subscriptions();
    let mut progress = subscriptions.rebuild(name).await?;
    let shown = if as_json {
        Shown::Json(None)
    } else if std::io::stderr().is_terminal() {
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
    if as_json {
        return Ok(print_json_line(
            &json!({"projection": name, "live": version}),
        )?);
    }
    Ok(print_line(if rebuild.hold {
        format!("the version of projection `{name}` is complete, and version {version} is live")
    } else {
        format!("version {version} of projection `{name}` is live")
    })?)
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
    /// Likewise.
    Json(Option<Instant>),
}

impl Shown {
    fn update(&mut self, progress: &RebuildProgress) -> Result<(), CliError> {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.head.get());
                bar.set_position(progress.position.get());
                bar.set_message(rate(progress).join(", "));
            }
            Self::Lines(last) if last.is_none_or(|last| last.elapsed() >= INTERVAL) => {
                *last = Some(Instant::now());
                let at = format!("position {} of {}", progress.position, progress.head);
                let parts: Vec<_> = [at].into_iter().chain(rate(progress)).collect();
                print_line(parts.join(", "))?;
            }
            Self::Json(last) if last.is_none_or(|last| last.elapsed() >= INTERVAL) => {
                *last = Some(Instant::now());
                print_json_line(&json!({
                    "position": progress.position.get(),
                    "head": progress.head.get(),
                    "per_second": progress.per_second,
                    "remaining_seconds": progress.remaining.map(|it| it.as_secs()),
                }))?;
            }
            Self::Lines(_) | Self::Json(_) => {}
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

/// The rate and the remaining time, as far as they are known.
fn rate(progress: &RebuildProgress) -> Vec<String> {
    let rate = progress.per_second.map(|it| format!("{it} per second"));
    let left = progress
        .remaining
        .map(|it| format!("{} s left", it.as_secs()));
    rate.into_iter().chain(left).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_remaining_time_if_it_is_known() {
        let mut progress = RebuildProgress::default();
        assert!(rate(&progress).is_empty());
        progress.per_second = Some(7);
        assert_eq!(rate(&progress), ["7 per second"]);
        progress.remaining = Some(Duration::from_secs(90));
        assert_eq!(rate(&progress), ["7 per second", "90 s left"]);
    }
}
