//! The goals for the figures.

/// A goal, and the measured figure.
pub struct Goal {
    /// A name without spaces, for the history.
    pub key: String,
    pub what: String,
    pub wanted: String,
    pub measured: String,
    pub figure: f64,
    pub bound: Bound,
    pub met: bool,
}

/// The side of its limit that a figure should be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    AtLeast,
    AtMost,
}

impl Goal {
    /// `ours` should be at least `times` as large as `other`.
    pub fn at_least(key: &str, what: &str, ours: f64, times: f64, other: f64) -> Self {
        let ratio = ours / other;
        Self {
            key: key.to_owned(),
            what: what.to_owned(),
            wanted: format!("at least {times} x"),
            measured: format!("{ratio:.2} x"),
            figure: ratio,
            bound: Bound::AtLeast,
            met: ratio >= times,
        }
    }

    /// `ours` should be at most `limit`.
    pub fn at_most(key: &str, what: &str, ours: f64, limit: f64, unit: &str) -> Self {
        let digits = |figure: f64| if figure.fract() == 0.0 { 0 } else { 2 };
        Self {
            key: key.to_owned(),
            what: what.to_owned(),
            wanted: format!("at most {limit:.*} {unit}", digits(limit)),
            measured: format!("{ours:.*} {unit}", digits(ours)),
            figure: ours,
            bound: Bound::AtMost,
            met: ours <= limit,
        }
    }
}
