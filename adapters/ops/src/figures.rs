use std::collections::HashMap;

/// What the metrics of a program tell of its commands and queries, since it began to count.
#[derive(Default)]
pub(crate) struct Figures {
    commands: HashMap<String, CallFigures>,
    queries: HashMap<String, CallFigures>,
}

/// The figures of a command or query.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CallFigures {
    /// Number of calls by outcome.
    outcomes: HashMap<String, u64>,
    /// Upper bounds of times in seconds, each with the number of calls that took no longer, in order.
    buckets: Vec<(f64, u64)>,
}

impl Figures {
    /// Reads the text that Prometheus reads. Other metrics in it, and lines that are none, are left out.
    pub(crate) fn read(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(sample) = Sample::read(line) {
                figures.take(&sample);
            }
        }
        let Self { commands, queries } = &mut figures;
        for call in commands.values_mut().chain(queries.values_mut()) {
            call.buckets
                .sort_by(|(one, _), (other, _)| one.total_cmp(other));
        }
        figures
    }

    fn take(&mut self, sample: &Sample) {
        let (calls, label, of) = if let Some(of) = sample.name.strip_prefix("cqrs_command") {
            (&mut self.commands, "command", of)
        } else if let Some(of) = sample.name.strip_prefix("cqrs_quer") {
            (&mut self.queries, "query", of)
        } else {
            return;
        };
        let (Some(name), value) = (sample.label(label), sample.count()) else {
            return;
        };
        match (of, sample.label("outcome"), sample.label("le")) {
            ("s_total" | "ies_total", Some(outcome), _) => {
                let call = calls.entry(name.to_owned()).or_default();
                *call.outcomes.entry(outcome.to_owned()).or_default() += value;
            }
            ("_seconds_bucket" | "y_seconds_bucket", _, Some(bound)) => {
                if let Ok(bound) = bound.parse() {
                    let call = calls.entry(name.to_owned()).or_default();
                    call.buckets.push((bound, value));
                }
            }
            _ => {}
        }
    }

    pub(crate) fn command(&self, name: &str) -> Option<&CallFigures> {
        self.commands.get(name)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&CallFigures> {
        self.queries.get(name)
    }
}

impl CallFigures {
    /// Number of calls.
    pub(crate) fn total(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Number of calls with one of these outcomes.
    pub(crate) fn of(&self, outcomes: &[&str]) -> u64 {
        let named = outcomes.iter().filter_map(|name| self.outcomes.get(*name));
        named.sum()
    }

    /// The last bound of times but that of all.
    pub(crate) fn longest_bound(&self) -> Option<f64> {
        let mut bounds = self.buckets.iter().rev().map(|(bound, _)| *bound);
        bounds.find(|bound| bound.is_finite())
    }

    /// The time in seconds that this part of all calls did not exceed, estimated within its bucket as Prometheus does.
    /// `None` without calls; infinite beyond the last bound.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let (_, total) = self.buckets.last().filter(|(_, total)| *total > 0)?;
        let rank = part * float(*total);
        let (mut from, mut before) = (0.0, 0);
        for (bound, count) in &self.buckets {
            if float(*count) >= rank && *count > before {
                let within = (rank - float(before)) / float(count - before);
                return Some((bound - from).mul_add(within, from));
            }
            (from, before) = (*bound, *count);
        }
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with a few digits")]
fn float(count: u64) -> f64 {
    count as f64
}

/// A line of the text: `name{label="value",..} 3`.
struct Sample<'t> {
    name: &'t str,
    labels: Vec<(&'t str, String)>,
    value: f64,
}

impl<'t> Sample<'t> {
    fn read(line: &'t str) -> Option<Self> {
        let (name, mut rest) = line.split_once('{')?;
        let mut labels = Vec::new();
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"")?;
            let (value, after) = quoted(value)?;
            labels.push((label.trim_start_matches(','), value));
            rest = after;
        }
        let value = rest.get(1..)?.split_whitespace().next()?;
        Some(Self {
            name,
            labels,
            value: value.parse().ok()?,
        })
    }

    fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|(own, _)| *own == name);
        label.map(|(_, value)| value.as_str())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count; what is none becomes 0"
    )]
    fn count(&self) -> u64 {
        self.value as u64
    }
}

/// The value of a label up to its closing quotation mark, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, text.get(place + 1..)?)),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            _ => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# HELP cqrs_commands_total Commands
# TYPE cqrs_commands_total counter
cqrs_commands_total{command="Send",outcome="done"} 8
cqrs_commands_total{outcome="refused",command="Send"} 2
cqrs_commands_total{command="Odd \"},\\ one",outcome="failed"} 1
cqrs_command_retries_total{command="Send"} 3
cqrs_command_seconds_bucket{command="Send",le="+Inf"} 10
cqrs_command_seconds_bucket{command="Send",le="0.1"} 4
cqrs_command_seconds_bucket{command="Send",le="0.2"} 8
cqrs_command_seconds_sum{command="Send"} 1.5
cqrs_command_seconds_count{command="Send"} 10
cqrs_queries_total{query="Find",outcome="done"} 5 1700000000
cqrs_query_seconds_bucket{query="Find",le="0.1"} 5
cqrs_query_seconds_bucket{query="Find",le="+Inf"} 5
cqrs_log_position 7
other_total{command="Send",outcome="done"} 99
cqrs_commands_total{command="Broken
cqrs_commands_total{command="Broken"
"#;

    #[test]
    fn the_text_of_prometheus_is_read() {
        let figures = Figures::read(TEXT);
        let send = figures.command("Send").expect("is there");
        assert_eq!(send.total(), 10);
        assert_eq!(send.of(&["refused", "conflict"]), 2);
        let odd = figures.command("Odd \"},\\ one").expect("is there");
        assert_eq!(odd.of(&["failed"]), 1);
        assert_eq!(figures.query("Find").expect("is there").total(), 5);
        assert_eq!(figures.command("Broken"), None);
        assert_eq!(figures.command("Find"), None);
    }

    #[test]
    fn a_quantile_is_within_its_bucket() {
        let figures = Figures::read(TEXT);
        let send = figures.command("Send").expect("is there");
        let near = |part: f64, seconds: f64| {
            let found = send.quantile(part).expect("is known");
            assert!((found - seconds).abs() < 1e-9, "{part}: {found}");
        };
        near(0.2, 0.05);
        near(0.4, 0.1);
        near(0.6, 0.15);
        near(0.8, 0.2);
        assert_eq!(send.quantile(0.95), Some(f64::INFINITY));
        assert_eq!(send.longest_bound(), Some(0.2));
        assert_eq!(CallFigures::default().quantile(0.5), None);
    }
}
