//! The goals for the figures.

/// A goal, and the measured figure.
pub struct Goal {
    pub what: String,
    pub wanted: String,
    pub measured: String,
    pub met: bool,
}

impl Goal {
    /// `ours` should be at least `times` as large as `other`.
    pub fn at_least(what: &str, ours: f64, times: f64, other: f64) -> Self {
        let ratio = ours / other;
        Self {
            what: what.to_owned(),
            wanted: format!("at least {times} x"),
            measured: format!("{ratio:.2} x"),
            met: ratio >= times,
        }
    }

    /// `ours` should be at most `limit`.
    pub fn at_most(what: &str, ours: f64, limit: f64, unit: &str) -> Self {
        let digits = |figure: f64| if figure.fract() == 0.0 { 0 } else { 2 };
        Self {
            what: what.to_owned(),
            wanted: format!("at most {limit:.*} {unit}", digits(limit)),
            measured: format!("{ours:.*} {unit}", digits(ours)),
            met: ours <= limit,
        }
    }
}
