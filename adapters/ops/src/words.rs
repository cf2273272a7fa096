//! Figures and states in words.

use std::time::Duration;

use cqrs_core::Timestamp;
use cqrs_core::app::{SubscriptionHealth, SubscriptionState};
use maud::{Markup, html};

/// A number with commas between thousands.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun, which has an `s` in the plural.
pub(crate) fn count(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(count))
}

/// A duration with as many parts as matter.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.is_zero() => "0 s".to_owned(),
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// A rate, as far as it is known.
pub(crate) fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => "–".to_owned(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => format!("{rate:.0}"),
    }
}

/// A time that was measured, with two digits that matter, as far as it is known.
pub(crate) fn seconds(time: Option<f64>) -> String {
    match time {
        None => "–".to_owned(),
        Some(time) if time >= 10.0 => format!("{time:.0} s"),
        Some(time) if time >= 1.0 => format!("{time:.1} s"),
        Some(time) if time >= 0.01 => format!("{:.0} ms", time * 1e3),
        Some(time) if time >= 0.001 => format!("{:.1} ms", time * 1e3),
        Some(time) => format!("{:.2} ms", time * 1e3),
    }
}

/// A time to the second, with all digits for whoever copies it.
pub(crate) fn time(time: Timestamp) -> Markup {
    html! {
        time datetime=(time) title=(time) { (time.strftime("%F %T UTC")) }
    }
}

/// JSON with its lines, as text.
pub(crate) fn json(value: &serde_json::Value) -> Markup {
    block(&format!("{value:#}"))
}

/// Text with its lines.
pub(crate) fn block(text: &str) -> Markup {
    html! { pre tabindex="0" { code { (text) } } }
}

/// A state as a label in its color.
pub(crate) fn badge(state: &SubscriptionState, is_ok: bool) -> Markup {
    let (name, class) = named(state);
    let class = if is_ok || class != "ok" { class } else { "bad" };
    html! { span.badge.(class) { (name) } }
}

fn named(state: &SubscriptionState) -> (&'static str, &'static str) {
    match state {
        SubscriptionState::CatchingUp => ("catching up", "busy"),
        SubscriptionState::Running => ("running", "ok"),
        SubscriptionState::Standby => ("standby", "ok"),
        SubscriptionState::Outdated {
            is_handled: Some(false),
            ..
        } => ("outdated", "bad"),
        SubscriptionState::Outdated { .. } => ("outdated", "warn"),
        SubscriptionState::Rebuilding { .. } => ("rebuilding", "busy"),
        SubscriptionState::Unattended => ("unattended", "bad"),
        SubscriptionState::Parked { .. } => ("parked ids", "warn"),
        SubscriptionState::Stuck { .. } => ("stuck", "bad"),
        SubscriptionState::Paused { .. } => ("paused", "warn"),
        SubscriptionState::Failing { .. } => ("failing", "bad"),
        SubscriptionState::Stopped { .. } => ("stopped", "bad"),
        SubscriptionState::Ended { .. } => ("ended", "bad"),
    }
}

/// The reasons for a state, and for that of the version that answers queries in place of a new one.
pub(crate) fn reasons(health: &SubscriptionHealth) -> Vec<String> {
    let own = reason(&health.state);
    let answering = health.answered_by.iter().filter_map(|version| {
        let reason = reason(&version.state)?;
        Some(format!("version {} answers: {reason}", version.version))
    });
    own.into_iter().chain(answering).collect()
}

/// The reason for a state, if there is something to say.
pub(crate) fn reason(state: &SubscriptionState) -> Option<String> {
    let text = state.to_string();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(12_345_678), "12,345,678");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(2_000, "event"), "2,000 events");
        assert_eq!(duration(Duration::ZERO), "0 s");
        assert_eq!(duration(Duration::from_millis(350)), "350 ms");
        assert_eq!(duration(Duration::from_millis(59_999)), "59 s");
        assert_eq!(duration(Duration::from_secs(61)), "1 min 1 s");
        assert_eq!(duration(Duration::from_secs(7_260)), "2 h 1 min");
        assert_eq!(duration(Duration::from_secs(90_000)), "1 d 1 h");
        assert_eq!(seconds(None), "–");
        assert_eq!(seconds(Some(0.000_05)), "0.05 ms");
        assert_eq!(seconds(Some(0.0042)), "4.2 ms");
        assert_eq!(seconds(Some(0.25)), "250 ms");
        assert_eq!(seconds(Some(2.5)), "2.5 s");
        assert_eq!(rate(None), "–");
        assert_eq!(rate(Some(0.0)), "0");
        assert_eq!(rate(Some(0.25)), "0.2");
        assert_eq!(rate(Some(1234.5)), "1234");
    }
}
