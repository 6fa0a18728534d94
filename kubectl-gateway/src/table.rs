//! Tables in the format of kubectl.

use std::time::Duration;

const GAP: usize = 3;

/// Columns under their heads, each as wide as its longest cell.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let heads: Vec<_> = heads.iter().map(|&head| head.to_owned()).collect();
    let lines = || [&heads].into_iter().chain(rows);
    let width = |column: usize| {
        let cells = lines().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    let lines = lines().map(|line| {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join(&" ".repeat(GAP)).trim_end())
    });
    lines.collect()
}

/// A duration in its most suitable unit.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_with_spaces() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a", "longer", "x"]), row(["bcdefg", "é", ""])];
        assert_eq!(
            table(&["NAME", "B", "C"], &rows),
            "NAME     B        C\na        longer   x\nbcdefg   é\n"
        );
    }

    #[test]
    fn ages_are_rounded_down() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
