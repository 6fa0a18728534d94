//! Markdown tables with aligned columns. Pure.

use std::fmt;

/// A table; the first column is text, the others are figures.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<S: AsRef<str>>(head: &[S]) -> Self {
        Self {
            head: head.iter().map(|it| it.as_ref().to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widths = cells.chain(&self.head[column..=column]);
        widths.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<_> = (0..self.head.len()).map(|it| self.width(it)).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String]| {
            for (column, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(f, "| {cell:<width$} ")?;
                } else {
                    write!(f, "| {cell:>width$} ")?;
                }
            }
            writeln!(f, "|")
        };
        line(f, &self.head)?;
        for (column, &width) in widths.iter().enumerate() {
            let dashes = "-".repeat(width + 1);
            let (left, right) = if column == 0 { (":", "") } else { ("", ":") };
            write!(f, "|{left}{dashes}{right}")?;
        }
        writeln!(f, "|")?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

/// A figure with this many decimals, or a dash if there is none.
pub(crate) fn figure(value: f64, decimals: usize) -> String {
    if value.is_nan() {
        return "–".to_owned();
    }
    // A small negative number would be rounded to `-0`.
    let value = if value.abs() < 0.5 / 10_f64.powi(i32::try_from(decimals).unwrap_or(0)) {
        0.0
    } else {
        value
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_text_left_and_figures_right() {
        let mut table = Table::new(&["path", "ms"]);
        table.row(["direct".to_owned(), figure(0.123, 2)]);
        table.row(["hub".to_owned(), figure(f64::NAN, 2)]);
        let wanted = "\
| path   |   ms |
|:-------|-----:|
| direct | 0.12 |
| hub    |    – |
";
        assert_eq!(table.to_string(), wanted);
    }

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!(figure(-0.001, 1), "0.0");
        assert_eq!(figure(-0.06, 1), "-0.1");
    }
}
