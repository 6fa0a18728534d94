//! The table that compares the limits of a path with what was measured. Each benchmark defines its
//! own limits.

use crate::table::{Table, figure};

/// On which side of the limit a figure must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// What is measured, its limit, its figure, and how many decimals to show.
#[derive(Debug)]
pub(crate) struct Line(
    pub(crate) &'static str,
    pub(crate) Bar,
    pub(crate) f64,
    pub(crate) usize,
);

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bar) => value <= bar,
            Self::AtLeast(bar) => value >= bar,
        }
    }

    fn show(self, decimals: usize) -> String {
        match self {
            Self::AtMost(bar) => format!("≤ {}", figure(bar, decimals)),
            Self::AtLeast(bar) => format!("≥ {}", figure(bar, decimals)),
        }
    }

    /// The figure as a share of the limit.
    fn share(self, value: f64) -> f64 {
        let (Self::AtMost(bar) | Self::AtLeast(bar)) = self;
        value / bar
    }
}

/// One row for each limit: the limit, the figure, and by how much it is kept or missed.
pub(crate) fn table(lines: impl IntoIterator<Item = Line>) -> Table {
    let mut table = Table::new(&["what", "bar", "measured", "÷ bar", "holds"]);
    for Line(what, bar, value, decimals) in lines {
        table.row([
            what.to_owned(),
            bar.show(decimals),
            figure(value, decimals),
            figure(bar.share(value), 2),
            verdict(bar, value).to_owned(),
        ]);
    }
    table
}

fn verdict(bar: Bar, value: f64) -> &'static str {
    match bar.holds(value) {
        _ if value.is_nan() => "not measured",
        true => "yes",
        false => "no",
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Bar::{AtLeast, AtMost},
        verdict,
    };

    #[test]
    fn a_bar_has_a_side_and_nothing_measured_clears_none() {
        assert!(AtMost(1.0).holds(1.0) && !AtMost(1.0).holds(1.1));
        assert!(AtLeast(1.0).holds(1.0) && !AtLeast(1.0).holds(0.9));
        assert!(!AtMost(1.0).holds(f64::NAN) && !AtLeast(1.0).holds(f64::NAN));
        assert_eq!(AtMost(0.15).show(2), "≤ 0.15");
        let verdicts = [1.0, 2.0, f64::NAN].map(|value| verdict(AtMost(1.0), value));
        assert_eq!(verdicts, ["yes", "no", "not measured"]);
    }
}
